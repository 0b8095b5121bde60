import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  fitLinearLam,
  type ScoredLam,
  type Solution,
  score,
  solveBatch,
  type WorldSpec,
} from '../../lib/browser.js';
import { multiply, orthonormalise } from '../../lib/linalg/dense.js';
import { identity, type Matrix, matrix, minus, plus, toRows, transpose } from '../../lib/linalg/matrix.js';
import { normals } from '../../lib/random/philox.js';
import { shared } from '../support/shared.js';

/**
 * What others recorded when they trained linear latent action models with Adam, against the closed forms. The figures are those of a
 * public study (arXiv:2506.15691, github.com/zhangchuheng123/LinearLAM); an excerpt lies in test/golden, all of them beside the
 * repository where they are there.
 */
interface Row {
  readonly da: number;
  readonly dz: number;
  readonly sigma: number;
  readonly chi: number;
  readonly mask_ratio: number;
  readonly recon_loss: number;
  readonly act_mse: number;
  readonly noi_mse: number;
}
type Study = Readonly<Record<string, { readonly rows: readonly Row[] }>>;

const own = fileURLToPath(new URL('../golden/reference-study/linearlam.json', import.meta.url));
const all = shared('reference/linearlam.json');
const studies: [string, Study][] = [own, ...(existsSync(all) ? [all] : [])].map((file) => [
  file === own ? 'an excerpt' : 'every row',
  JSON.parse(readFileSync(file, 'utf8')) as Study,
]);
const table = (study: Study, number: string): readonly Row[] => {
  const found = Object.entries(study).find(([name]) => name.startsWith(`${number}_`));
  if (!found) throw new Error(`no table ${number}`);
  return found[1].rows;
};

/** observationDim, endogenousDim: the study observes its state as it is. */
const D = 128;
/** Actions, and coordinates of the structured noise. */
const K = 8;
/** Rows that the study judges on, and draws of X and Y over which the closed form is averaged here. */
const [ROWS, DRAWS] = [128, 4];

const orthonormal = (columns: number, seed: number): Matrix =>
  orthonormalise(matrix(D, columns, normals(seed, 1, 0, D * columns))).basis;

/** o ~ N(0, I), o' = o + X a + noise, of which Y b is in o' alone. */
function studyWorld(own: Omit<WorldSpec, 'matrices'>, draw = 0, policy?: Matrix): WorldSpec {
  const { actionDim = K } = own;
  return {
    observationDim: D,
    endogenousDim: D,
    exogenousDim: K,
    actionDim,
    exogenousDecay: 0,
    exogenousInitialScale: 0,
    exogenousScale: 0,
    ...own,
    matrices: {
      endogenousMixing: toRows(identity(D)),
      exogenousMixing: toRows(orthonormal(K, 100 + draw)),
      actionEffect: toRows(orthonormal(actionDim, 200 + draw)),
      ...(policy ? { stateFeedback: toRows(policy) } : {}),
    },
  };
}

const plain = { kind: 'reconstruction' } as const;
/** Their label loss is a mean over labelled rows, whatever their number: weight x labelFraction is observationDim / actionDim. */
const supervised = { kind: 'action-supervised', weight: D / K } as const;

const dimsOf = (rows: readonly Row[]): number[] => [...new Set(rows.map(({ dz }) => dz))];

/** Every width that some rows ask for, solved at once for each draw of X and Y; 2 K directions in all. */
async function draws(sigma: number, isSupervised: boolean, latentDims: number[]): Promise<Solution[][]> {
  const cases = Array.from({ length: DRAWS }, (_, draw) => ({
    world: studyWorld({ exogenousScale: sigma }, draw),
    objective: isSupervised ? supervised : plain,
    latentDims: [...latentDims, 2 * K],
  }));
  const solutions = (await solveBatch(cases)) as Solution[];
  return Array.from({ length: DRAWS }, (_, draw) =>
    solutions.slice(draw * (latentDims.length + 1), (draw + 1) * (latentDims.length + 1)),
  );
}

const meanOf = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
const spreadOf = (values: readonly number[]) => {
  const mean = meanOf(values);
  return Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1));
};

/**
 * Within 10 %, or within three standard deviations of what the study itself is uncertain by: one draw of X and Y, judged on 128 rows,
 * over which a sum of squares with so many equal directions varies by sqrt(2 / (128 directions)). `floor`: what training leaves of 0;
 * `more`: by how much the study's own figure may be above the closed form.
 */
function expectWithinNoise(
  recorded: number,
  exact: readonly number[],
  directions: number,
  floor: number,
  what: string,
  more = 0,
): void {
  const mean = meanOf(exact);
  const byRows = mean * Math.sqrt(2 / (ROWS * Math.max(directions, 1e-9)));
  const noise = Math.hypot(spreadOf(exact), byRows);
  const allowed = Math.max(floor, 0.1 * mean, 3 * noise);
  const off = Math.max(mean - recorded, recorded - mean - more);
  expect(off, `${what}: ${recorded} should be ${mean}`).toBeLessThanOrEqual(allowed);
}

describe.each(studies)('the reference study, %s', (_, study) => {
  it('4.1, no noise: action errors within 0.02', async () => {
    const rows = table(study, '4_1');
    for (const actionDim of new Set(rows.map(({ da }) => da))) {
      const here = rows.filter(({ da }) => da === actionDim);
      const solutions = (await solveBatch([
        { world: studyWorld({ actionDim }), objective: plain, latentDims: dimsOf(here) },
      ])) as Solution[];
      for (const { dz, act_mse, recon_loss } of here) {
        const { metrics, loss } = solutions.find(({ latentDim }) => latentDim === dz) as Solution;
        const what = `da ${actionDim}, dz ${dz}`;
        expect(metrics.actionError, what).toBeCloseTo(Math.max(0, 1 - dz / actionDim), 9);
        expect(Math.abs(act_mse - (metrics.actionError as number)), what).toBeLessThan(0.02);
        // The study stopped these runs before their losses had converged: from above, if at all.
        expect(recon_loss, what).toBeGreaterThan(0.98 * (loss / D));
      }
    }
  });

  it('4.2, isotropic noise: loss and action error within 1 %, or as near to 0 as training came', async () => {
    const rows = table(study, '4_2');
    for (const processNoise of new Set(rows.map(({ sigma }) => sigma))) {
      const here = rows.filter(({ sigma }) => sigma === processNoise);
      const solutions = (await solveBatch([
        { world: studyWorld({ processNoise }), objective: plain, latentDims: dimsOf(here) },
      ])) as Solution[];
      for (const { dz, recon_loss, act_mse } of here) {
        const { metrics, loss } = solutions.find(({ latentDim }) => latentDim === dz) as Solution;
        const close = (recorded: number, exact: number, least: number, what: string) =>
          expect(
            Math.abs(recorded - exact),
            `sigma ${processNoise}, dz ${dz}, ${what}: ${recorded} should be ${exact}`,
          ).toBeLessThanOrEqual(Math.max(0.01 * exact, processNoise === 0 ? least : 0));
        close(recon_loss, loss / D, 2e-4, 'loss');
        // Where the action is known exactly, training has left up to 2.8e-4 in the figures.
        close(act_mse, metrics.actionError as number, 3e-4, 'actionError');
      }
    }
  });

  // Their probe of the noise is left out in 4.3: it says 0.65 to 1.08 where z holds the noise exactly. In 7 it agrees.
  it.each(['4_3', '7'])('%s, structured noise: within its own noise', async (number) => {
    const rows = table(study, number);
    for (const key of new Set(rows.map(({ sigma, mask_ratio }) => `${sigma},${(mask_ratio ?? 0) > 0}`))) {
      const here = rows.filter(({ sigma, mask_ratio }) => `${sigma},${(mask_ratio ?? 0) > 0}` === key);
      const [{ sigma, mask_ratio }] = here;
      const labelled = (mask_ratio ?? 0) > 0;
      const solutions = await draws(sigma, labelled, dimsOf(here));
      const lossesOf = new Map<number, number[]>();
      for (const { dz, recon_loss, act_mse, noi_mse } of here) {
        const exact = solutions.map((all) => all.find(({ latentDim }) => latentDim === dz) as Solution);
        const what = `sigma ${sigma}, dz ${dz}, ${labelled ? 'labels' : 'no labels'}`;
        const losses =
          lossesOf.get(dz) ?? (await Promise.all(exact.map((s) => reconstructionLoss(s, labelled))));
        lossesOf.set(dz, losses);
        const errors = exact.map(({ metrics }) => metrics.actionError as number);
        const noises = exact.map(({ metrics }) => 1 - (metrics.futureLeakage as number));
        // Table 7 has noise of 0.1 on the encoder's o and o': up to 2 x 0.01 more a latent.
        const augmented = number === '7' ? (2 * 0.01 * dz) / D : 0;
        expectWithinNoise(recon_loss, losses, 2 * K - dz, 2e-4, `${what}, loss`, augmented);
        expectWithinNoise(act_mse, errors, K * meanOf(errors), 0.01, `${what}, action`);
        if (number === '7') expectWithinNoise(noi_mse, noises, K * meanOf(noises), 0.01, `${what}, noise`);
      }
    }
  });

  it('5, a policy that reacts in training, judged under the random one: as closed forms', async () => {
    const policy = transpose(orthonormal(K, 300));
    const effect = orthonormal(K, 200);
    for (const { chi, dz, recon_loss, act_mse } of table(study, '5')) {
      const trained = studyWorld({ policyNoise: 1 - chi, stateFeedback: chi }, 0, policy);
      const random = studyWorld({});
      // Nothing is left to encode where the action is a function of o: the decoder alone knows what comes next.
      const lam: ScoredLam =
        chi < 1
          ? await fitLinearLam({ world: trained, objective: plain, latentDim: dz })
          : decoderAlone(plus(identity(D), multiply(effect, policy)), dz);
      const { loss, metrics: anew } = await score(lam, { world: random });
      const untold = chi < 1 ? 1 - dz / K : 1;
      const expected = untold * (1 + chi ** 2);
      expect(loss).toBeCloseTo(K * expected, 8);
      // Their probe reads what is predicted to change, o'^ - o, and was fitted where the model was.
      const { metrics } = await score(changeOf(lam), { world: random }, { probes: { world: trained } });
      expect(metrics.rawActionError).toBeCloseTo(expected, 6);
      const what = `chi ${chi}, dz ${dz}`;
      expectClosedForm(recon_loss, (K * expected) / D, `${what}, loss`);
      expectClosedForm(act_mse, expected, `${what}, action`);
      // A probe that may learn anew under the random policy finds what z and o have.
      if (chi < 1) expect(anew.actionError).toBeCloseTo(untold, 6);
    }
  });
});

function expectClosedForm(recorded: number, exact: number, what: string): void {
  expect(Math.abs(recorded - exact), `${what}: ${recorded} should be ${exact}`).toBeLessThanOrEqual(
    Math.max(0.1 * exact, 1e-3),
  );
}

/** Their recon_loss is that of o' alone, without the action head. */
async function reconstructionLoss({ world, objective, latentDim, loss }: Solution, labelled: boolean) {
  if (!labelled) return loss / D;
  const lam = await fitLinearLam({ world, objective, latentDim });
  return ((await score(lam, { world })).loss as number) / D;
}

function decoderAlone(A: Matrix, latentDim: number): ScoredLam {
  const zero = new Float64Array(D);
  return {
    encoder: { C: matrix(latentDim, D), D: matrix(latentDim, D) },
    decoder: { A, B: matrix(D, latentDim) },
    means: { observation: zero, observationNext: zero, decoded: zero, prediction: zero },
    objective: plain,
  };
}

/** o'^ - o as an encoder of its own: (A + B C - I) o + B D o'. */
function changeOf({ encoder: { C, D: next }, decoder: { A, B } }: ScoredLam) {
  return { C: minus(plus(A, multiply(B, C)), identity(D)), D: multiply(B, next) };
}
