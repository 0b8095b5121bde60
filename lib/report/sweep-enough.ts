import { lineChart } from './charts.js';
import type { Drawing, Panel } from './drawing.js';
import { COLOURS } from './figure.js';
import { axisOf, DASHES, few, numbers } from './sweep-axes.js';
import { errorOf, isStrength, LEVEL, leakageOf, mainAxis, percent, short } from './sweep-findings.js';
import type { Setting, SweepData, Value } from './sweep-settings.js';

/** Least strengths at which z is clean, of one latent dimension and one way that models come about. */
interface Line {
  readonly latentDim: Value;
  readonly samples: Value;
  /** By the main parameter; null where no strength that was tried is enough. */
  readonly least: readonly { readonly at: number; readonly strength: number | null }[];
}

/** How much of one strength is enough. */
export interface Enough {
  readonly objective: string;
  readonly strength: string;
  readonly main: string;
  readonly tried: readonly number[];
  readonly lines: readonly Line[];
}

/** Less of a gain is more of the remedy. */
const isFalling = (strength: string) => strength.endsWith('gain');

/** For each objective whose strength varies, how much of it is enough where the main parameter of the world is what it is. */
export function enoughOf(data: SweepData): Enough[] {
  const main = mainAxis(data);
  if (main === undefined || numbers(data.axes.get(main)).length < 3 || isQuestionAxis(main)) return [];
  return data.objectives.flatMap((objective) => {
    const own = data.settings.filter(({ parameters }) => parameters['objective'] === objective);
    const valuesOf = (name: string) => [...new Set(own.map(({ parameters }) => parameters[name]))];
    const strengths = [...data.axes.keys()].filter(
      (name) => isStrength(name) && numbers(valuesOf(name)).length > 1,
    );
    const [strength] = strengths;
    // Of two strengths there is no least one.
    if (strengths.length !== 1 || numbers(valuesOf(strength)).length < 3) return [];
    const tried = numbers(valuesOf(strength)).sort((a, b) => a - b);
    const ordered = isFalling(strength) ? [...tried].reverse() : tried;
    const lines = lists(valuesOf('latentDim'), valuesOf('samples')).map(([latentDim, samples]): Line => {
      const here = own.filter(
        (s) => s.parameters['latentDim'] === latentDim && s.parameters['samples'] === samples,
      );
      const clean = cleanAt(here, main, strength);
      const least = numbers(data.axes.get(main)).map((at) => ({
        at,
        strength: ordered.find((value) => clean.has(`${at}|${value}`)) ?? null,
      }));
      return { latentDim, samples, least };
    });
    return [{ objective, strength, main, tried, lines }];
  });
}

const isQuestionAxis = (name: string) => name === 'latentDim' || name === 'samples';
const ascending = (values: readonly Value[]) => [...values].sort((a, b) => Number(a) - Number(b));
const lists = (a: readonly Value[], b: readonly Value[]) =>
  ascending(a).flatMap((x) => ascending(b).map((y) => [x, y] as const));

/** Places of the main parameter and the strength at which the mean over all else is clean. */
function cleanAt(settings: readonly Setting[], main: string, strength: string): Set<string> {
  const sums = new Map<string, { leakage: number; error: number; count: number }>();
  for (const setting of settings) {
    const key = `${setting.parameters[main]}|${setting.parameters[strength]}`;
    const own = sums.get(key) ?? { leakage: 0, error: 0, count: 0 };
    sums.set(key, {
      leakage: own.leakage + leakageOf(setting),
      error: own.error + errorOf(setting),
      count: own.count + 1,
    });
  }
  const isClean = ({ leakage, error, count }: { leakage: number; error: number; count: number }) =>
    leakage <= LEVEL * count && error <= LEVEL * count;
  return new Set([...sums].filter(([, sum]) => isClean(sum)).map(([key]) => key));
}

/** How much is enough, in a sentence. */
export function enoughSentence({ objective, strength, main, tried, lines }: Enough): string {
  const most = isFalling(strength) ? `down to ${short(tried[0])}` : `up to ${short(tried.at(-1) as number)}`;
  const dims = [...new Set(lines.map(({ latentDim }) => latentDim))];
  const told = dims.map((dim) => ({
    dim,
    text: rangeOf(
      lines.filter(({ latentDim }) => latentDim === dim),
      main,
    ),
  }));
  const some = told.flatMap(({ dim, text }) => (text === null ? [] : [`at latentDim ${dim} ${text}`]));
  const none = told.filter(({ text }) => text === null).map(({ dim }) => dim);
  if (none.length > 0) some.push(`at latentDim ${none.join(', ')} no ${strength} ${most} is enough`);
  return `${objective}: z is clean (it carries at most ${percent(LEVEL)} of what is new in the exogenous state and misses at most ${percent(LEVEL)} of the action) from this ${strength} on: ${some.join('; ')}.`;
}

/** From the first to the last value of the main parameter at which something is enough, for the fewest and the most samples. */
function rangeOf(lines: readonly Line[], main: string): string | null {
  const ends = (line: Line) => {
    const found = line.least.filter(({ strength }) => strength !== null);
    const [first, last] = [found[0], found.at(-1)];
    if (!first || !last) return null;
    const at = ({ at: x, strength }: { at: number; strength: number | null }) =>
      `${short(strength)} (${main} ${short(x)})`;
    const upTo = found.length < line.least.length ? ', elsewhere none' : '';
    return found.length === 1 ? at(first) : `${at(first)} to ${at(last)}${upTo}`;
  };
  const texts = lines.map((line) => ({ samples: line.samples, text: ends(line) }));
  const [first, last] = [texts[0], texts.at(-1) as (typeof texts)[number]];
  if (texts.every(({ text }) => text === null)) return null;
  const of = (samples: Value) =>
    samples === Number.POSITIVE_INFINITY
      ? 'for the population'
      : samples === null
        ? 'where it is trained'
        : `with ${samples} transitions`;
  if (first.text === last.text)
    return texts.length > 1
      ? `${first.text}, ${of(first.samples)} as ${of(last.samples)}`
      : (first.text as string);
  return [first, last].map(({ samples, text }) => `${text ?? 'never'} ${of(samples)}`).join(', ');
}

const PANELS = 4;
const LINES = 5;

/** The least strength that is enough over the main parameter: a panel a latent dimension, a line a number of transitions. */
export function enoughFigures(data: SweepData): Drawing[] {
  return enoughOf(data).flatMap(({ objective, strength, main, tried, lines }) => {
    const isAny = (line: Line) => line.least.some((point) => point.strength !== null);
    const dims = [...new Set(lines.filter(isAny).map(({ latentDim }) => latentDim))];
    if (dims.length === 0) return [];
    const samples = few([...new Set(lines.map((line) => line.samples))], LINES);
    const x = axisOf(main, numbers(data.axes.get(main)), 'x');
    const y = axisOf(strength, tried, 'y');
    const panels = few(dims, PANELS).map((dim): Panel => {
      const series = samples.flatMap((n, i) => {
        const line = lines.find((one) => one.latentDim === dim && one.samples === n);
        const rows = (line?.least ?? []).flatMap(({ at, strength: v }) =>
          v === null ? [] : [{ x: at, y: v }],
        );
        const colour = COLOURS[i % COLOURS.length];
        return [
          { rows, colour, dash: DASHES[i % DASHES.length] },
          { rows, colour, mark: 'point' as const },
        ];
      });
      return lineChart(`latentDim ${short(dim)}`, x, y, series);
    });
    return [
      {
        name: `enough-${objective.replaceAll(/[^a-z]+/g, '-')}`,
        title: `How much is enough: ${objective}`,
        key: samples.map((n, i) => ({
          kind: 'line' as const,
          label:
            n === null ? 'trained' : n === Number.POSITIVE_INFINITY ? 'the population' : `${n} transitions`,
          colour: COLOURS[i % COLOURS.length],
          dash: DASHES[i % DASHES.length],
        })),
        panels,
        caption: `The ${isFalling(strength) ? 'greatest' : 'least'} ${strength} that was tried at which z carries at most ${percent(LEVEL)} of what is new in the exogenous state and misses at most ${percent(LEVEL)} of the action, means over seeds and all other settings. Where a line ends, none is enough.`,
      },
    ];
  });
}
