import { multiply, multiplyTransposed } from '../../linalg/dense.js';
import { eigen, NotConverged } from '../../linalg/eigen.js';
import { type Matrix, matrix, symmetric, transpose } from '../../linalg/matrix.js';
import { Pace } from '../pace.js';
import {
  type Control,
  ESTIMATED,
  type EstimatesAnswer,
  type EstimatesRequest,
  estimatesArrays,
  type RowCovarianceRequest,
  STATUS,
  type UnitRows,
} from '../requests.js';
import { at, centred, columnsOf, FoldFit, squares, type UnitColumns, unitScale } from './fold-fit.js';

/** A ridge whose error is within this factor of the best is as good. */
const GOOD = 1.1;

/** theory.md section 4, "Metrics on data", as it is written there. */
export async function estimate(request: EstimatesRequest, control?: Control): Promise<EstimatesAnswer> {
  const answer = estimatesArrays(request);
  try {
    await new Estimation(request, answer, control).run();
  } catch (error) {
    if (!(error instanceof NotConverged)) throw error;
    answer.status[0] = STATUS.notConverged;
  }
  return answer;
}

/** Covariance of all rows. */
export async function rowCovariance({ rows, width, layout }: RowCovarianceRequest): Promise<Float64Array> {
  const one = { ...rows, unit: rows.unit.map((u) => Math.min(u, 0)) };
  const sums = matrix(width, width, momentsOfRows(one, { units: 1, width, layout }));
  const n = width - 1;
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      const mean = (of: number) => sums.data[of + 1] / sums.data[0];
      out[i * n + j] = sums.data[(i + 1) * width + j + 1] / sums.data[0] - mean(i) * mean(j);
    }
  return out;
}

/** One matrix a unit after all. */
function momentsOfRows(
  { columns, unit }: UnitRows,
  { units, width: w, layout }: Pick<EstimatesRequest, 'units' | 'width' | 'layout'>,
): Float64Array {
  const moments = new Float64Array(units * w * w);
  const row = new Float64Array(w);
  row[0] = 1;
  unit.forEach((u, at) => {
    if (u < 0) return;
    columns.forEach((column, v) => {
      for (let j = 0; column && j < column.width; j++)
        row[layout[2 * v] + j] = (column.values[at * column.width + j] - column.mean[j]) * column.factor[j];
    });
    for (let i = 0; i < w; i++) for (let j = 0; j < w; j++) moments[(u * w + i) * w + j] += row[i] * row[j];
  });
  return moments;
}

class Estimation {
  private readonly units: Matrix[];
  private readonly variables: UnitColumns;
  private readonly pace: Pace;

  constructor(
    private readonly r: EstimatesRequest,
    private readonly answer: EstimatesAnswer,
    control: Control | undefined,
  ) {
    const w = r.width;
    const moments = r.rows ? momentsOfRows(r.rows, r) : r.moments;
    this.units = Array.from({ length: r.units }, (_, u) =>
      matrix(w, w, moments.subarray(u * w * w, (u + 1) * w * w)),
    );
    this.variables = columnsOf(r.layout);
    this.pace = new Pace(control, r.folds * (r.groups + 2));
  }

  private sums(wanted: (unit: number) => boolean): Matrix {
    const out = matrix(this.r.width, this.r.width);
    this.units.forEach((s, u) => {
      if (wanted(u)) for (let i = 0; i < out.data.length; i++) out.data[i] += s.data[i];
    });
    return out;
  }

  async run(): Promise<void> {
    const { fold, group, folds, groups, units } = this.r;
    for (let f = 0; f < folds; f++)
      if (Number.isNaN(this.answer.ridges[f])) this.answer.ridges[f] = await this.chooseRidge(f);
    for (let f = 0; f < folds; f++) {
      const own = Array.from({ length: units }, (_, u) => u).filter((u) => fold[u] === f);
      const training = this.sums((u) => fold[u] !== f);
      this.fit(f, training, (at, rows) => {
        this.answer.training[at] += squares(rows, training);
        for (const u of own) {
          const value = squares(rows, this.units[u]);
          this.answer.held[at * units + u] = value;
          // Without a group of this fold, the others keep the model and their errors.
          for (let g = 0; g < groups; g++)
            if (fold[group.indexOf(g)] === f && group[u] !== g)
              this.answer.replicates[at * groups + g] += value;
        }
      });
      await this.pace.advance();
      const held = this.sums((u) => fold[u] === f);
      for (let g = 0; g < groups; g++) {
        await this.pace.advance();
        if (fold[group.indexOf(g)] === f) continue;
        this.fit(
          f,
          this.sums((u) => fold[u] !== f && group[u] !== g),
          (at, rows) => {
            this.answer.replicates[at * groups + g] += squares(rows, held);
          },
        );
      }
    }
    this.pace.finish();
  }

  /** Fits a fold's objectives on these sums: calls `take` with every metric's rows and their place in (A, L, M, 2). */
  private fit(f: number, training: Matrix, take: (at: number, rows: Matrix) => void): void {
    const { objectives, chosen, latentDims } = this.r;
    const model = new FoldFit(centred(training), this.variables, this.answer.ridges[f]);
    const wanted = chosen ? [objectives[chosen[f]]] : objectives;
    wanted.forEach((objective, v) => {
      model.fit(objective, latentDims).forEach((metrics, l) => {
        ESTIMATED.forEach((name, m) => {
          const rows = metrics.get(name);
          const place = ((v * latentDims.length + l) * ESTIMATED.length + m) * 2;
          if (rows) {
            take(place, rows.withLatents);
            take(place + 1, rows.without);
          } else this.leaveOut(place);
        });
      });
    });
  }

  private leaveOut(place: number): void {
    const { units, groups } = this.r;
    this.answer.training.fill(Number.NaN, place, place + 2);
    this.answer.held.fill(Number.NaN, place * units, (place + 2) * units);
    this.answer.replicates.fill(Number.NaN, place * groups, (place + 2) * groups);
  }

  /** The smallest ridge of the grid whose error, leaving out one inner fold at a time, is within a tenth of the least. */
  private async chooseRidge(f: number): Promise<number> {
    const { fold, folds, grid } = this.r;
    const total = new Float64Array(grid.length);
    for (let g = 0; g < folds; g++) {
      if (g === f) continue;
      const training = this.sums((u) => fold[u] !== f && fold[u] !== g);
      const held = this.sums((u) => fold[u] === g);
      this.ridgeErrors(training, held).forEach((error, i) => {
        total[i] += error;
      });
      await this.pace.rest();
    }
    await this.pace.advance();
    const least = Math.min(...total);
    return grid[total.findIndex((error) => error <= GOOD * least)];
  }

  /** Squared error of o' at unit variance, predicted from o, for every ridge: rows of errors on the held-out sums. */
  private ridgeErrors(training: Matrix, held: Matrix): number[] {
    const { mean, covariance: s } = centred(training);
    const [o, next] = [this.variables.observation ?? [], this.variables.observationNext ?? []];
    const scale = unitScale(at(s, o, o));
    const target = unitScale(at(s, next, next));
    const soo = at(s, o, o);
    const correlation = matrix(
      o.length,
      o.length,
      soo.data.map((v, i) => v * scale[Math.floor(i / o.length)] * scale[i % o.length]),
    );
    const { values, vectors } = eigen(symmetric(correlation));
    const son = at(s, o, next);
    const turned = multiply(
      vectors,
      matrix(
        o.length,
        next.length,
        son.data.map((v, i) => v * scale[Math.floor(i / next.length)] * target[i % next.length]),
      ),
    );
    return Array.from(this.r.grid, (ridge) => {
      const divided = matrix(
        turned.rows,
        turned.cols,
        turned.data.map((v, i) => v / (Math.max(values[Math.floor(i / turned.cols)], 0) + ridge)),
      );
      const weights = multiplyTransposed(transpose(divided), transpose(vectors)); // (next, o), of standardised o
      const rows = matrix(next.length, s.cols);
      next.forEach((column, i) => {
        rows.data[i * s.cols + column] = target[i];
        o.forEach((from, j) => {
          rows.data[i * s.cols + from] -= weights.data[i * o.length + j] * scale[j];
        });
        for (let j = 1; j < s.cols; j++) rows.data[i * s.cols] -= rows.data[i * s.cols + j] * mean[j];
      });
      return squares(rows, held);
    });
  }
}
