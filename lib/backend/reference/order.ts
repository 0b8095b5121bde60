import { EIGENVALUE_TIE, TIE_FLOOR } from '../../base/conventions.js';
import { countAbove } from '../../linalg/eigen.js';

/** Which latents answer a latent dimension: those above a tie, and how many of the tied ones. */
export interface Choice {
  /** Rows of the reduced basis and coordinates of the complement that are among the latents for certain. */
  readonly fixedRows: number;
  readonly fixedPicks: number;
  /** Those that tie for the remaining `chosen` places, which are fewer; none where the minimiser is unique. */
  readonly tiedRows: number;
  readonly tiedPicks: number;
  readonly chosen: number;
}

export function isUnique({ chosen }: Choice): boolean {
  return chosen === 0;
}

function certain(fixedRows: number, fixedPicks: number): Choice {
  return { fixedRows, fixedPicks, tiedRows: 0, tiedPicks: 0, chosen: 0 };
}

/** Both spectra in descending order: the complement's eigenvalue comes as often as it has coordinates. */
export class Order {
  readonly rank: number;
  private readonly rows: number;
  private readonly copies: number;
  private readonly largest: number;

  /** Eigenvalues up to `cut` are nothing. */
  constructor(
    private readonly reduced: Float64Array,
    private readonly complement: number,
    multiplicity: number,
    cut: number,
  ) {
    this.rows = countAbove(reduced, cut);
    this.copies = complement > cut ? multiplicity : 0;
    this.rank = this.rows + this.copies;
    this.largest = Math.max(reduced[0] ?? 0, complement);
  }

  /** Reduced rows among the first k latents: those that tie with the complement come before it. */
  rowsUpTo(k: number): number {
    let rows = 0;
    while (
      rows < Math.min(k, this.rows) &&
      this.reduced[rows] >= this.complement - this.near(this.complement)
    )
      rows++;
    return Math.min(this.rows, Math.max(rows, k - this.copies));
  }

  picksUpTo(k: number): number {
    return Math.min(this.copies, k - this.rowsUpTo(k));
  }

  /** The i-th eigenvalue, from 0; 0 beyond the rank. */
  value(i: number): number {
    if (i >= this.rank) return 0;
    const isRow = this.rowsUpTo(i + 1) > this.rowsUpTo(i);
    const own = isRow ? this.reduced[this.rowsUpTo(i)] : this.complement;
    // Within a tie the complement may stand behind a row that is smaller by rounding.
    return i > 0 && !isRow && this.rowsUpTo(i) > 0 ? Math.min(own, this.reduced[this.rowsUpTo(i) - 1]) : own;
  }

  choice(k: number): Choice {
    const value = k > 0 ? this.value(k - 1) : 0;
    if (!(value > 0)) {
      // No latent, or more than the rank: all there are.
      return k > 0 ? certain(this.rows, this.copies) : certain(0, 0);
    }
    const near = this.near(value);
    let fixedRows = 0;
    while (fixedRows < this.rows && this.reduced[fixedRows] > value + near) fixedRows++;
    let last = fixedRows;
    while (last < this.rows && this.reduced[last] >= value - near) last++;
    const fixedPicks = this.complement > value + near ? this.copies : 0;
    const tiedPicks = Math.abs(this.complement - value) <= near ? this.copies : 0;
    const chosen = k - fixedRows - fixedPicks;
    if (chosen === last - fixedRows + tiedPicks) return certain(last, fixedPicks + tiedPicks);
    return { fixedRows, fixedPicks, tiedRows: last - fixedRows, tiedPicks, chosen };
  }

  /** How far from an eigenvalue others tie with it. */
  private near(value: number): number {
    return EIGENVALUE_TIE * value + TIE_FLOOR * this.largest;
  }
}
