import { LATENT_RIDGE, NEGLIGIBLE_VARIANCE } from '../../base/conventions.js';
import { choleskyInPlace, choleskySolveInPlace, multiply } from '../../linalg/dense.js';
import { addScaled, type Matrix, matrix, minus, transpose } from '../../linalg/matrix.js';
import {
  type FeatureMomentsRequest,
  featureWidth,
  type NestedAnswer,
  type NestedQuestion,
  type NestedRequest,
  nestedArrays,
} from '../judging-requests.js';
import { Pace } from '../pace.js';
import type { Control } from '../requests.js';
import { at, type Centred, centred, squares, unitScale } from './fold-fit.js';

/** Moments of [1, inputs, features], as judging-requests.ts states them. */
export async function featureMoments(r: FeatureMomentsRequest, control?: Control): Promise<Float64Array> {
  const width = featureWidth(r);
  const out = new Float64Array(r.units * width * width);
  const pace = new Pace(control, r.units);
  for (let u = 0; u < r.units; u++) {
    const rows = Array.from(r.unit.keys()).filter((row) => r.unit[row] === u);
    const columns = matrix(rows.length, width);
    rows.forEach((row, i) => {
      const inputs = r.data.subarray(row * r.inputs, (row + 1) * r.inputs);
      const features = r.maps.flatMap((map) =>
        Array.from(map.phases, (phase, f) => {
          const along = map.frequencies
            .subarray(f * map.size, (f + 1) * map.size)
            .reduce((sum, w, j) => sum + w * inputs[map.begin + j], phase);
          return Math.sqrt(2 / map.phases.length) * Math.cos(along);
        }),
      );
      columns.data.set([1, ...inputs, ...features], i * width);
    });
    out.set(multiply(transpose(columns), columns).data, u * width * width);
    await pace.advance();
  }
  pace.finish();
  return out;
}

/** Weights of regressors that are multiplied with `scale` first; null where the ridge is too small for the arithmetic. */
function weightsAt(s: Matrix, cross: Matrix, scale: Float64Array, ridge: number, free = 0): Matrix | null {
  const n = s.rows;
  if (n === 0 || cross.cols === 0) return matrix(n, cross.cols);
  const factor = Float64Array.from(s.data, (v, i) => {
    const [row, col] = [Math.floor(i / n), i % n];
    if (row !== col) return v * scale[row] * scale[col];
    return (scale[row] > 0 ? v * scale[row] ** 2 : 1) + (row < free ? Math.min(ridge, LATENT_RIDGE) : ridge);
  });
  if (!(choleskyInPlace(factor, 0, n) > 0)) return null;
  const out = matrix(
    n,
    cross.cols,
    cross.data.map((v, i) => v * scale[Math.floor(i / cross.cols)]),
  );
  choleskySolveInPlace(factor, 0, n, out.data, 0, cross.cols);
  out.data.forEach((v, i) => {
    out.data[i] = v * scale[Math.floor(i / cross.cols)];
  });
  return out.data.every(Number.isFinite) ? out : null;
}

/** The same, the ridge grown by decades until the arithmetic bears it. */
function grown(s: Matrix, cross: Matrix, scale: Float64Array, ridge: number, free = 0): Matrix {
  for (let decade = 0; decade < 16; decade++, ridge = Math.max(10 * ridge, LATENT_RIDGE)) {
    const weights = weightsAt(s, cross, scale, ridge, free);
    if (weights) return weights;
  }
  return matrix(s.rows, cross.cols);
}

const indices = (begin: number, size: number) => Array.from({ length: size }, (_, i) => begin + i);

/** One question's regressions on one set of training units; everything as rows of loadings on the columns of the moments. */
class Nested {
  private readonly s: Matrix;
  private readonly free: number;
  private readonly given: readonly number[];
  private readonly added: readonly number[];
  readonly targets: readonly (readonly number[])[];

  constructor(
    private readonly training: Centred,
    question: NestedQuestion,
  ) {
    this.free = question.free;
    this.s = training.covariance;
    this.given = Array.from(question.given);
    this.added = Array.from(question.added);
    this.targets = Array.from({ length: question.targets.length / 2 }, (_, t) =>
      indices(question.targets[2 * t], question.targets[2 * t + 1]),
    );
  }

  private unit(cols: readonly number[]): Matrix {
    const out = matrix(cols.length, this.s.cols);
    cols.forEach((column, i) => {
      out.data[i * out.cols + column] = 1;
    });
    return out;
  }

  /** Columns less what is given says of them; null where the ridge is too small. */
  residual(cols: readonly number[], ridge: number, grow = true): Matrix | null {
    const { s, given } = this;
    const scale = unitScale(at(s, given, given));
    const weights = (grow ? grown : weightsAt)(at(s, given, given), at(s, given, cols), scale, ridge);
    return weights && minus(this.unit(cols), multiply(transpose(weights), this.unit(given)));
  }

  /** A target's residual less what the added columns' residuals say of it. */
  explained(target: Matrix, ridgeGiven: number, ridge: number, grow = true): Matrix | null {
    const added = this.residual(this.added, ridgeGiven) ?? this.unit(this.added);
    const through = multiply(added, this.s);
    const caa = multiply(through, transpose(added));
    const scale = Float64Array.from(this.added, (column, i) => {
      const left = caa.data[i * caa.cols + i];
      return left > NEGLIGIBLE_VARIANCE * this.s.data[column * this.s.cols + column]
        ? 1 / Math.sqrt(left)
        : 0;
    });
    const weights = (grow ? grown : weightsAt)(
      caa,
      multiply(through, transpose(target)),
      scale,
      ridge,
      this.free,
    );
    return weights && minus(target, multiply(transpose(weights), added));
  }

  /** The squared error of rows of loadings on sums of moments, about the training mean. */
  error(rows: Matrix, sums: Matrix): number {
    const about = matrix(rows.rows, rows.cols, rows.data.slice());
    for (let i = 0; i < rows.rows; i++)
      for (let j = 1; j < rows.cols; j++)
        about.data[i * rows.cols] -= rows.data[i * rows.cols + j] * this.training.mean[j];
    return squares(about, sums);
  }

  total(target: readonly number[], sums: Matrix): number {
    return this.error(this.unit(target), sums);
  }
}

/** Ridge regressions fitted fold by fold, and again without each group: judging-requests.ts. */
export async function nestedErrors(r: NestedRequest, control?: Control): Promise<NestedAnswer> {
  const answer = nestedArrays(r);
  const pace = new Pace(control, r.questions.length * r.folds);
  let first = 0;
  for (const question of r.questions) {
    for (let fold = 0; fold < r.folds; fold++) {
      await new Fold(r, answer, question, first, fold, pace).run();
      await pace.advance();
    }
    first += question.targets.length / 2;
  }
  pace.finish();
  return answer;
}

class Fold {
  private given = 0;
  private readonly targets: number;

  constructor(
    private readonly r: NestedRequest,
    private readonly answer: NestedAnswer,
    private readonly question: NestedQuestion,
    private readonly first: number,
    private readonly fold: number,
    private readonly pace: Pace,
  ) {
    this.targets = question.targets.length / 2;
  }

  private sums(wanted: (unit: number) => boolean): Matrix {
    const { width, units, moments } = this.r;
    const out = matrix(width, width);
    for (let u = 0; u < units; u++)
      if (wanted(u))
        addScaled(out, 1, matrix(width, width, moments.subarray(u * width * width, (u + 1) * width * width)));
    return out;
  }

  async run(): Promise<void> {
    const { fold: folds, group, groups, units } = this.r;
    const inner = indices(0, this.r.folds)
      .filter((f) => f !== this.fold)
      .map((f) => ({
        model: new Nested(centred(this.sums((u) => folds[u] !== this.fold && folds[u] !== f)), this.question),
        held: this.sums((u) => folds[u] === f),
      }));
    this.given = this.question.given.length > 0 ? await this.chooseGiven(inner) : this.r.grid[0];
    const ridges = await this.chooseAdded(inner);
    const own = indices(0, units).filter((u) => folds[u] === this.fold);
    const training = this.sums((u) => folds[u] !== this.fold);
    this.fit(training, ridges, (place, error) => {
      this.answer.training[place] += error(training);
      for (const u of own) {
        const value = error(this.sums((unit) => unit === u));
        this.answer.held[place * units + u] = value;
        for (let g = 0; g < groups; g++)
          if (folds[group.indexOf(g)] === this.fold && group[u] !== g)
            this.answer.replicates[place * groups + g] += value;
      }
    });
    const held = this.sums((u) => folds[u] === this.fold);
    for (let g = 0; g < groups; g++) {
      await this.pace.rest();
      if (folds[group.indexOf(g)] === this.fold) continue;
      this.fit(
        this.sums((u) => folds[u] !== this.fold && group[u] !== g),
        ridges,
        (place, error) => {
          this.answer.replicates[place * groups + g] += error(held);
        },
      );
    }
    ridges.forEach((ridge, t) => {
      const place = 2 * (this.first + t) * this.r.folds + this.fold;
      this.answer.ridges[place] = ridge;
      this.answer.ridges[place + this.r.folds] = this.given;
    });
  }

  private fit(
    training: Matrix,
    ridges: readonly number[],
    take: (place: number, error: (sums: Matrix) => number) => void,
  ): void {
    const model = new Nested(centred(training), this.question);
    model.targets.forEach((target, t) => {
      const before = model.residual(target, this.given) as Matrix;
      const after = model.explained(before, this.given, ridges[t]) as Matrix;
      const place = 2 * (this.first + t);
      take(place, (sums) => model.error(after, sums));
      take(place + 1, (sums) => model.error(before, sums));
    });
  }

  /** Every ridge of the grid on every inner fold; the one of least error, the first where several are least. */
  private async least(
    inner: readonly Inner[],
    error: (part: Inner, ridge: number) => number | null,
  ): Promise<number> {
    const errors = Array.from(this.r.grid, () => 0);
    for (const part of inner)
      for (let g = 0; g < errors.length; g++) {
        errors[g] += error(part, this.r.grid[g]) ?? Number.POSITIVE_INFINITY;
        await this.pace.rest();
      }
    return this.r.grid[errors.indexOf(Math.min(...errors))];
  }

  private chooseGiven(inner: readonly Inner[]): Promise<number> {
    return this.least(inner, ({ model, held }, ridge) => {
      let sum = 0;
      for (const target of model.targets) {
        const rows = model.residual(target, ridge, false);
        if (!rows) return null;
        const all = model.total(target, held);
        if (all > 0) sum += model.error(rows, held) / all;
      }
      return sum;
    });
  }

  private async chooseAdded(inner: readonly Inner[]): Promise<number[]> {
    const ridges: number[] = [];
    for (let t = 0; t < this.targets; t++)
      ridges.push(
        await this.least(inner, ({ model, held }, ridge) => {
          const before = model.residual(model.targets[t], this.given) as Matrix;
          const rows = model.explained(before, this.given, ridge, false);
          return rows && model.error(rows, held);
        }),
      );
    return ridges;
  }
}

interface Inner {
  readonly model: Nested;
  readonly held: Matrix;
}
