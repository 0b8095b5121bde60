/** Columns of rows, as they are computed, handed on and written. */

/** A parameter: few values, and which of them each row has; -1 where a row has none. */
export interface Coded {
  readonly kind: 'coded';
  readonly type: 'double' | 'integer' | 'text';
  readonly values: readonly (number | string)[];
  readonly codes: Int32Array;
}

/** A figure: NaN where a row has none. */
export interface Doubles {
  readonly kind: 'double';
  readonly values: Float64Array;
}

/** A count; below 0 where a row has none. */
export interface Integers {
  readonly kind: 'integer';
  readonly values: Int32Array;
}

/** 0 or 1; 2 where a row has neither. */
export interface Flags {
  readonly kind: 'flag';
  readonly values: Uint8Array;
}

export type Column = Coded | Doubles | Integers | Flags;

/** Rows by column, in the order of the columns. */
export interface Table {
  readonly count: number;
  readonly columns: ReadonlyMap<string, Column>;
}
