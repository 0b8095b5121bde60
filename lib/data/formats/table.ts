/** Columns as one (rows, sum of widths) matrix. */
export interface TablePart {
  readonly values: Float64Array;
  readonly dim: number;
  readonly place?: (row: number, column: number) => string;
}

/** A file of named columns, whatever its format. */
export interface Table {
  readonly names: readonly string[];
  read(groups: readonly (readonly string[])[]): Promise<readonly TablePart[]>;
}
