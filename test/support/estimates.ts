import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode, npyHeaderLength, parseNpyHeader } from '../../lib/data/formats/npy.js';
import { ZipReader } from '../../lib/data/formats/zip.js';
import type { EstimatedData } from '../../lib/moments/of-units.js';
import type { ObjectiveSpec } from '../../lib/solve/objectives.js';

/** The numbers of one metric in a golden file; those that are not finite are left out of JSON's numbers by name. */
export interface GoldenEstimate {
  value: number;
  low: number;
  high: number;
  training: number;
  standardError: number;
  degreesOfFreedom: number;
  effectiveUnits: number;
  rough: boolean;
  reason: string | null;
  num: number[];
  den: number[];
}

export interface GoldenEstimates {
  latentDims: number[];
  scale: 'standard' | 'given';
  units: number;
  blocks: boolean;
  categories: boolean;
  level: number;
  objective: ObjectiveSpec;
  reason?: string;
  estimates: Record<string, Record<string, GoldenEstimate>>;
  folds: number[];
  groups: number[];
  ridges: number[];
  verdicts: Record<string, string>;
  differences?: Record<string, Record<string, Omit<GoldenEstimate, 'training' | 'num' | 'den'>>>;
  strengths?: number[];
  chosen?: number[];
}

interface NpzArray {
  rows: number;
  cols: number;
  values: Float64Array;
}

async function arraysOf(path: string): Promise<Map<string, NpzArray>> {
  const zip = await ZipReader.open(path);
  const found = new Map<string, NpzArray>();
  try {
    for (const [name, entry] of zip.entries) {
      const chunks: Buffer[] = [];
      await zip.read(entry, (chunk) => void chunks.push(Buffer.from(chunk)));
      const bytes = Buffer.concat(chunks);
      const begin = npyHeaderLength(bytes, name);
      const { shape, dtype } = parseNpyHeader(bytes.subarray(0, begin), name);
      const [rows, cols = 1] = shape as [number, number?];
      const values = new Float64Array(rows * cols);
      decode(bytes.subarray(begin), dtype, values, 0);
      found.set(name.replace('.npy', ''), { rows, cols, values });
    }
  } finally {
    await zip.close();
  }
  return found;
}

async function dataOf(path: string): Promise<EstimatedData> {
  const arrays = await arraysOf(path);
  const values = (name: string) => arrays.get(name)?.values;
  const observation = arrays.get('observation') as NpzArray;
  return {
    count: observation.rows,
    observationDim: observation.cols,
    actionDim: arrays.get('actions')?.cols ?? 0,
    exogenousDim: arrays.get('exogenous_next')?.cols ?? 0,
    observation: observation.values,
    observationNext: values('observation_next') as Float64Array,
    action: values('actions'),
    exogenous: values('exogenous'),
    exogenousNext: values('exogenous_next'),
    episode: Int32Array.from(values('episode') as Float64Array),
  };
}

export interface GoldenData {
  name: string;
  golden: GoldenEstimates;
  data: () => Promise<EstimatedData>;
}

/** Every case of a folder: NAME.json and NAME.npz. */
export function goldenEstimates(folder: string): GoldenData[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file) => {
      const text = readFileSync(join(folder, file), 'utf8').replace(/\bNaN\b/g, 'null');
      const name = file.replace('.json', '');
      return {
        name,
        golden: JSON.parse(text) as GoldenEstimates,
        data: () => dataOf(join(folder, `${name}.npz`)),
      };
    });
}
