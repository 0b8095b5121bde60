import { mean, type Setting, type SweepData, type Value } from './sweep-settings.js';

/** Share above which z is said to leak, and of the action above which it is said to miss it. */
export const LEVEL = 0.1;
/** Regimes that a table tells apart at most. */
const REGIMES = 6;

export const leakageOf = (setting: Setting) => setting.leakage;
export const errorOf = (setting: Setting) => setting.actionError;

/** Numbers that an objective was given: those, and latentDim and the samples, are chosen; the world is not. */
const CHOSEN = /^(weight|labelFraction|encoderNoise|decoderNoise|gain|.*\..*)$/;
export const isStrength = (name: string) => CHOSEN.test(name);

/** What is no property of the world: told apart, not gone by, unless nothing else varies. */
const QUESTIONS = ['latentDim', 'samples', 'steps', 'learningRate', 'batchSize'];
const isQuestion = (name: string) => QUESTIONS.includes(name);

/** The mean leakage at each value of a parameter. */
function meansAlong(settings: readonly Setting[], name: string): Map<Value, number> {
  const sums = new Map<Value, { sum: number; count: number }>();
  for (const setting of settings) {
    const value = setting.parameters[name];
    if (value === null) continue;
    const own = sums.get(value) ?? { sum: 0, count: 0 };
    sums.set(value, { sum: own.sum + leakageOf(setting), count: own.count + 1 });
  }
  return new Map([...sums].map(([value, { sum, count }]) => [value, sum / count]));
}

/** The parameter of the world that moves the leakage most: what regimes and charts go by. */
export function mainAxis({ axes, settings }: SweepData): string | undefined {
  let best: { name: string; spread: number } | undefined;
  const names = [...axes.keys()].filter((name) => !isStrength(name));
  const ofWorld = names.filter((name) => !isQuestion(name));
  for (const name of ofWorld.length > 0 ? ofWorld : names) {
    const means = [...meansAlong(settings, name).values()];
    const spread = Math.max(...means) - Math.min(...means);
    if (!best || spread > best.spread) best = { name, spread };
  }
  return best?.name;
}

/** An objective with its numbers, as a remedy that somebody may choose. */
export interface Remedy {
  readonly name: string;
  readonly leakage: number;
  readonly actionError: number;
  /** Mean of the two: 0 is the action and nothing else. */
  readonly fault: number;
}

function remediesOf(settings: readonly Setting[]): Remedy[] {
  const groups = new Map<string, Setting[]>();
  for (const setting of settings) {
    const name = nameOf(setting);
    const own = groups.get(name);
    if (own) own.push(setting);
    else groups.set(name, [setting]);
  }
  return [...groups]
    .map(([name, own]) => {
      const [leakage, actionError] = [mean(own.map(leakageOf)), mean(own.map(errorOf))];
      return { name, leakage, actionError, fault: (leakage + actionError) / 2 };
    })
    .sort((a, b) => a.fault - b.fault);
}

export const short = (value: Value) =>
  typeof value === 'number'
    ? Number.isFinite(value)
      ? String(Number(value.toPrecision(3)))
      : 'the population'
    : String(value);

function nameOf({ parameters }: Setting): string {
  const numbers = Object.entries(parameters).filter(([name, value]) => isStrength(name) && value !== null);
  const told = numbers.map(([name, value]) => `${name} ${short(value)}`).join(', ');
  return `${parameters['objective']}${told ? ` (${told})` : ''}`;
}

/** Best and worst remedy where the main parameter of the world is what it is. */
export interface Regime {
  readonly name: string;
  readonly best: Remedy;
  readonly worst: Remedy;
}

export function regimesOf(data: SweepData): Regime[] {
  const axis = mainAxis(data);
  if (axis === undefined) return [];
  const values = data.axes.get(axis) ?? [];
  const shown =
    values.length <= REGIMES
      ? values
      : Array.from(
          { length: REGIMES },
          (_, i) => values[Math.round((i * (values.length - 1)) / (REGIMES - 1))],
        );
  return shown.map((value) => {
    const remedies = remediesOf(data.settings.filter(({ parameters }) => parameters[axis] === value));
    return { name: `${axis} ${short(value)}`, best: remedies[0], worst: remedies[remedies.length - 1] };
  });
}

export const percent = (share: number) => `${(100 * share).toFixed(share > 0 && share < 0.095 ? 1 : 0)} %`;

/** What most often lies behind a status. */
const WHY: Readonly<Record<string, string>> = {
  unsupported:
    ' (no closed form: supervision with latentDim below actionDim, of samples or of a policy that reacts to the state)',
  diverged: ' (the loss was not finite any more: a smaller learningRate)',
};

/** What the sweep found, a sentence each, the most telling first. */
export function findingsOf(data: SweepData): string[] {
  const { settings, objectives, axes, without, rows, seeds, thinned } = data;
  const found: string[] = [];
  for (const objective of objectives) {
    const own = settings.filter(({ parameters }) => parameters['objective'] === objective);
    const leaks = own.filter((s) => leakageOf(s) > LEVEL).length / own.length;
    const good = own.filter((s) => leakageOf(s) <= LEVEL && errorOf(s) <= LEVEL).length / own.length;
    found.push(
      `${objective}: z carries more than ${percent(LEVEL)} of what is new in the exogenous state in ${percent(leaks)} of ${own.length} settings; in ${percent(good)} it is clean and misses at most ${percent(LEVEL)} of the action.`,
    );
  }
  const [best, ...others] = remediesOf(settings);
  const worst = others.at(-1);
  if (worst)
    found.unshift(
      `Over all settings ${best.name} does best: on average z carries ${percent(best.leakage)} of what is new in the exogenous state and misses ${percent(best.actionError)} of the action. ${worst.name} does worst: ${percent(worst.leakage)} and ${percent(worst.actionError)}.`,
    );
  const axis = mainAxis(data);
  if (axis !== undefined) found.push(alongSentence(data, axis));
  if (axes.has('samples')) found.push(samplesSentence(data));
  const refused = [...without].map(([status, count]) => `${count} ${status}${WHY[status] ?? ''}`).join(', ');
  found.push(
    `${rows} points, ${seeds} seed${seeds === 1 ? '' : 's'}${refused ? `; without figures: ${refused}` : ''}${thinned > 1 ? `; of more settings than a page can hold it goes by one in ${thinned}, chosen at random` : ''}.`,
  );
  return found;
}

function alongSentence({ axes, settings }: SweepData, axis: string): string {
  const values = axes.get(axis) ?? [];
  const [first, last] = [values[0], values[values.length - 1]];
  const means = meansAlong(settings, axis);
  const at = (value: Value) => means.get(value) ?? Number.NaN;
  return `${axis} matters most for the leak: ${percent(at(first))} on average at ${short(first)}, ${percent(at(last))} at ${short(last)}.`;
}

function samplesSentence({ axes, settings }: SweepData): string {
  const told = (axes.get('samples') ?? []).map((n) => {
    const own = settings.filter((s) => s.parameters['samples'] === n);
    return `${percent(mean(own.map(leakageOf)))} leak and ${percent(mean(own.map(errorOf)))} action error at ${typeof n === 'number' && Number.isFinite(n) ? `${n} transitions` : 'the population'}`;
  });
  return `Fitted to samples: ${told.join('; ')}.`;
}
