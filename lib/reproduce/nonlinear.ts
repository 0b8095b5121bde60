import { lineChart, type Series } from '../report/charts.js';
import { meanInterval } from './intervals.js';
import {
  NONLINEAR_REMEDIES,
  type NonlinearOutcome,
  type NonlinearRun,
  trainTogether,
} from './nonlinear-runs.js';
import { breathe, need, percent, type Run, type Study, type Tables } from './study.js';
import { type Cell, type Row, rowsOf, type Table, tableOf } from './table.js';

export const WORLD_NAMES: Readonly<Record<string, string>> = {
  mlp: 'a random network shows the states',
  sprites: 'a small video shows sprites',
};

/** Metrics of a trained model; NaN where one cannot be measured. */
function measuresOf({ judgement, loss }: NonlinearOutcome): Row {
  const [linear, curved] = [judgement.linear?.metrics ?? {}, judgement.nonlinear?.metrics ?? {}];
  const of = (e: { readonly value: number | null } | undefined) => e?.value ?? Number.NaN;
  return {
    loss,
    leakage: of(curved.innovationLeakage),
    actionError: of(curved.actionError),
    rawActionError: of(curved.rawActionError),
    rawInnovationError: of(curved.rawInnovationError),
    linearLeakage: of(linear.innovationLeakage),
    linearActionError: of(linear.actionError),
    shareExogenous: of(linear['latentShare.exogenous']),
    consistencyError: of(linear.consistencyError),
  };
}

/** Every remedy in every world and seed. */
async function remediesOf(run: Run, advance: (done: number) => void): Promise<Table> {
  const { nonlinear: spec, seed: first } = run.spec;
  const rows: Row[] = [];
  let done = 0;
  for (const world of spec.worlds)
    for (let seed = first; seed < first + spec.seeds; seed++) {
      await breathe(run);
      const runs = NONLINEAR_REMEDIES.map(
        ({ id }): NonlinearRun => ({ world, remedy: id, seed, codebook: null }),
      );
      for (const outcome of await trainTogether(runs, run))
        rows.push({ world: world.name, remedy: outcome.remedy, seed, ...measuresOf(outcome) });
      advance(++done);
    }
  const share = 'share of variance';
  return tableOf(
    'nonlinear',
    'What latents of trained nonlinear models carry',
    {
      world: ['mlp: o is a random network of the states; sprites: a small video'],
      remedy: ['objective'],
      seed: ['of the world and of the model'],
      loss: ['mean training loss of the last quarter of the steps', 'squared error'],
      leakage: ["innovationLeakage by a nonlinear probe: of x' given o and x, what z says", share],
      actionError: ['by a nonlinear probe: of the action given o, what z leaves', share],
      rawActionError: ['the same by z alone', share],
      rawInnovationError: ['what is new in the exogenous state, left by a nonlinear probe of z alone', share],
      linearLeakage: ['innovationLeakage by a linear probe', share],
      linearActionError: ['actionError by a linear probe', share],
      shareExogenous: ['of z given o and x, what the exogenous innovation says (linear)', share],
      consistencyError: ['how far z moves when the exogenous state is drawn again', share],
    },
    rows,
  );
}

/** How many of a codebook's codes a model of the sprite world uses. */
async function codebooksOf(run: Run, advance: (done: number) => void): Promise<Table> {
  const { nonlinear: spec, seed } = run.spec;
  const sprites = spec.worlds.find(({ name }) => name === 'sprites');
  if (!sprites) return tableOf('codebooks', '', {}, []);
  const world = { ...sprites, latentDim: spec.codebookDim };
  const runs = spec.codebooks.map(
    (codebook): NonlinearRun => ({ world, remedy: 'reconstruction', seed, codebook }),
  );
  const outcomes = await trainTogether(runs, run);
  advance(1);
  return tableOf(
    'codebooks',
    'Use of codebooks in the sprite world, reconstruction',
    {
      size: ['codes'],
      used: ['codes with at least a tenth of an even share of the training rows'],
      perplexity: ['exp of the entropy of their use: size where all are used alike', 'codes'],
      leakage: ['as in nonlinear.csv', 'share of variance'],
      actionError: ['as in nonlinear.csv', 'share of variance'],
    },
    outcomes.map((outcome) => {
      const { leakage, actionError } = measuresOf(outcome);
      const { usage } = outcome;
      const entropy = usage.reduce((sum, p) => sum - (p > 0 ? p * Math.log(p) : 0), 0);
      return {
        size: usage.length,
        used: usage.filter((p) => p >= 0.1 / usage.length).length,
        perplexity: Math.exp(entropy),
        leakage,
        actionError,
      };
    }),
  );
}

const numbers = (rows: readonly Row[], column: string) =>
  rows.map((row) => Number(row[column] as Cell)).filter((v) => !Number.isNaN(v));

/** One remedy in one world beside reconstruction there: intervals over seeds. */
export interface NonlinearComparison {
  readonly world: string;
  readonly remedy: string;
  readonly name: string;
  readonly claim: 'C1' | 'C2' | 'C3';
  readonly leakage: ReturnType<typeof meanInterval>;
  readonly actionError: ReturnType<typeof meanInterval>;
  readonly consistencyError: ReturnType<typeof meanInterval>;
  /** The whole interval below the whole of reconstruction's. */
  readonly leaksLess: boolean;
  readonly knowsMore: boolean;
  readonly steadier: boolean;
}

export function comparisonsOf(tables: Tables): NonlinearComparison[] {
  const rows = rowsOf(need(tables, 'nonlinear'));
  const worlds = [...new Set(rows.map((row) => row['world'] as string))];
  return worlds.flatMap((world) => {
    const of = (remedy: string, column: string) =>
      meanInterval(
        numbers(
          rows.filter((r) => r['world'] === world && r['remedy'] === remedy),
          column,
        ),
      );
    return NONLINEAR_REMEDIES.map(({ id, name, claim }) => {
      const all = (['leakage', 'actionError', 'consistencyError'] as const).map((column) => {
        const [own, plain] = [of(id, column), of('reconstruction', column)];
        return { own, below: own.high < plain.low };
      });
      const [leakage, action, steady] = all as [(typeof all)[0], (typeof all)[0], (typeof all)[0]];
      return {
        ...{ world, remedy: id, name, claim },
        ...{ leakage: leakage.own, actionError: action.own, consistencyError: steady.own },
        ...{ leaksLess: leakage.below, knowsMore: action.below, steadier: steady.below },
      };
    });
  });
}

/** What a remedy does in one world, in words. */
function effect({ name, leaksLess, knowsMore }: NonlinearComparison): string {
  if (leaksLess && knowsMore) return `${name} leaks less and knows the action better`;
  if (leaksLess) return `${name} leaks less, but does not know the action better`;
  return knowsMore ? `${name} knows the action better, but does not leak less` : `${name} does not help`;
}

function sentenceOf(tables: Tables, seeds: number): string {
  const all = comparisonsOf(tables);
  const worlds = [...new Set(all.map(({ world }) => world))].map((world) => {
    const own = all.filter((c) => c.world === world);
    const plain = own.find(({ remedy }) => remedy === 'reconstruction') as NonlinearComparison;
    const effects = own.filter((c) => c !== plain).map(effect);
    return `Where ${WORLD_NAMES[world] ?? world}, a model that reconstructs carries ${percent(plain.leakage.value)} of what is new in the exogenous state and leaves ${percent(plain.actionError.value)} of the action; ${effects.join('; ')}.`;
  });
  const books = rowsOf(need(tables, 'codebooks'));
  const used = books.map((row) => `${String(row['used'])} of ${String(row['size'])}`).join(', ');
  return `${worlds.join(' ')} "Less" and "better" where the 95\u00a0% intervals of the means of ${seeds} seeds do not overlap. Codes that are used in the video: ${used}.`;
}

/** C1 to C3 once more, on models that are trained and in worlds that are not linear. */
export const nonlinear: Study = {
  name: 'nonlinear',
  title: 'Nonlinear models, trained, in nonlinear worlds',
  theorems: [],
  claims: ['C4'],
  cost: 60,
  async measure(run: Run) {
    const { worlds, seeds } = run.spec.nonlinear;
    const total = worlds.length * seeds + 1;
    const remedies = await remediesOf(run, (done) => run.advance(done, total));
    return [remedies, await codebooksOf(run, () => run.advance(total, total))];
  },
  read(tables, { nonlinear: spec }) {
    const rows = rowsOf(need(tables, 'nonlinear'));
    const panels = [...new Set(rows.map((row) => row['world'] as string))].map((world) =>
      lineChart(
        WORLD_NAMES[world] ?? world,
        { field: 'x', title: 'leakage by a nonlinear probe (share of variance)', domain: [0, 1] },
        { field: 'y', title: 'action error by a nonlinear probe (share of variance)', domain: [0, 1.05] },
        NONLINEAR_REMEDIES.map(
          ({ id, colour }): Series => ({
            colour,
            mark: 'point',
            rows: rows
              .filter((r) => r['world'] === world && r['remedy'] === id)
              .map((r) => ({ x: Math.max(0, Number(r['leakage'])), y: Number(r['actionError']) }))
              .filter(({ x, y }) => !Number.isNaN(x + y)),
          }),
        ),
      ),
    );
    const [mlp, video] = spec.worlds;
    return {
      sentence: sentenceOf(tables, spec.seeds),
      drawings: [
        {
          name: 'nonlinear',
          title: 'What the latents of trained nonlinear models carry, and what they miss',
          key: NONLINEAR_REMEDIES.map(({ name, claim, colour }) => ({
            kind: 'point' as const,
            label: `${name} (${claim})`,
            colour,
          })),
          panels,
          caption: `A point is a model: left it leaks nothing of what is new in the exogenous state, below it knows the action. ${spec.seeds} worlds of each kind, each with models of its own. Encoder and decoder have a hidden layer of ${spec.hidden.join(', ')} units, latent dimension ${mlp?.latentDim ?? 2}; Adam, batches of ${spec.batchSize} fresh samples, ${mlp?.steps ?? 0} steps (video ${video?.steps ?? 0}). Supervision weight ${spec.weight} on all rows, penalty ${spec.penalty} on z at unit variance; the representation is the best linear prediction of the observation without exogenous state. Judged on ${spec.rows} other samples by ridge regression on random Fourier features, cross-fitted.`,
        },
      ],
    };
  },
};
