import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { casesOf } from '../../../lib/cli/cases.js';
import { toJson } from '../../../lib/cli/json.js';
import { type Case, LinearLam, openData, solveBatch } from '../../../lib/index.js';
import { analysisPage } from '../../../lib/report/analysis.js';
import { readAnalysis } from '../../../lib/report/read.js';
import { readReproduction, reproductionPage } from '../../../lib/reproduce/index.js';
import { mutate, type Random } from './mutate.js';

/** What is changed and then read: files by their names, of which a file stands alone where it is the only one. */
type Files = ReadonlyMap<string, Uint8Array>;

/** One kind of input. It throws what the product throws, and an error of its own where an answer is none. */
export interface Target {
  readonly name: string;
  /** Runs one changed input; `scratch` is a folder of its own. */
  run(random: Random, scratch: string): Promise<void>;
}

const SEEDS = join(import.meta.dirname, 'seeds');

function filesBelow(folder: string): Files {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return new Map(files.map((name) => [name, readFileSync(join(folder, name))]));
}

/** The seeds of a target: its files, or the folders in its folder, a seed each. */
function seedsOf(target: string): Files[] {
  return readdirSync(join(SEEDS, target))
    .sort()
    .map((name) => {
      const path = join(SEEDS, target, name);
      return statSync(path).isDirectory() ? filesBelow(path) : new Map([[name, readFileSync(path)]]);
    });
}

/** One of the files changed; now and then one of them is not there. */
function changedFiles(files: Files, random: Random): Files {
  const names = [...files.keys()];
  const name = random.pick(names);
  const out = new Map(files);
  if (names.length > 1 && random.chance(0.02)) out.delete(name);
  else out.set(name, mutate(files.get(name) as Uint8Array, random));
  return out;
}

/** Writes the files and reads them as data. */
async function readBack(files: Files, scratch: string, folder: boolean): Promise<void> {
  rmSync(scratch, { recursive: true, force: true });
  for (const [name, bytes] of files) {
    const path = join(scratch, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
  const t = await openData(folder ? scratch : join(scratch, [...files.keys()][0] as string));
  for (const [name, values] of Object.entries(t))
    if (values instanceof Float64Array && !values.every(Number.isFinite))
      throw new Error(`${name} holds a number that is none`);
}

function ofFiles(name: string, folder = false): Target {
  const seeds = seedsOf(name);
  return {
    name,
    run: (random, scratch) => readBack(changedFiles(random.pick(seeds), random), scratch, folder),
  };
}

/** A zip archive, whose checksums are right whatever is in it. */
function zipOf(files: Files, deflate: boolean): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [key, content] of files) {
    const name = Buffer.from(key);
    const data = deflate ? deflateRawSync(content) : Buffer.from(content);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(deflate ? 8 : 0, 4);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(name.length, 22);
    parts.push(Buffer.from('PK\x03\x04', 'latin1'), common, name, data);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, place, name);
    offset += 30 + name.length + data.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(files.size, 8);
  end.writeUInt16LE(files.size, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, central, end]);
}

/** Arrays changed inside an archive that is sound, and the archive itself changed. */
function archives(): Target[] {
  const seeds = seedsOf('npz');
  return [
    {
      name: 'npz',
      run: (random, scratch) => {
        const zip = zipOf(changedFiles(random.pick(seeds), random), random.chance(0.5));
        return readBack(new Map([['d.npz', zip]]), scratch, false);
      },
    },
    {
      name: 'zip',
      run: (random, scratch) => {
        const zip = zipOf(random.pick(seeds), random.chance(0.5));
        return readBack(new Map([['d.npz', mutate(zip, random)]]), scratch, false);
      },
    },
  ];
}

/** Time that a case may take: it is stopped then, and that has to be soon. */
const PATIENCE = 2000;

function cases(): Target {
  const seeds = seedsOf('case');
  return {
    name: 'case',
    async run(random) {
      const [text] = [...changedFiles(random.pick(seeds), random).values()].map((bytes) =>
        Buffer.from(bytes).toString('utf8'),
      );
      const found = casesOf(text as string, 'case').slice(0, 20);
      const answers = await solveBatch(
        found.map(({ value }) => value as Case),
        { throwOnFailure: false, signal: AbortSignal.timeout(PATIENCE) },
      );
      for (const answer of answers)
        if (toJson(answer).includes('NaN')) throw new Error('an answer holds NaN');
    },
  };
}

/** JSON that a page is made of. */
function pages(name: string, page: (value: unknown, random: Random) => Promise<string>): Target {
  const seeds = seedsOf(name);
  return {
    name,
    async run(random) {
      const [bytes] = changedFiles(random.pick(seeds), random).values();
      let value: unknown;
      try {
        value = JSON.parse(Buffer.from(bytes as Uint8Array).toString('utf8'));
      } catch {
        return;
      }
      const html = await page(value, random);
      const [odd] =
        /NaN|undefined|\[object |<script>alert/.exec(
          html.replace(/<script(?!>alert)[\s\S]*?<\/script>/g, ''),
        ) ?? [];
      if (odd !== undefined) throw new Error(`the page says ${odd}`);
    },
  };
}

function models(): Target {
  const seeds = seedsOf('model');
  return {
    name: 'model',
    async run(random) {
      const [bytes] = changedFiles(random.pick(seeds), random).values();
      const lam = LinearLam.fromBytes(bytes as Uint8Array);
      const row = new Float64Array(lam.observationDim);
      if (!lam.encode(row, row).every(Number.isFinite))
        throw new Error('a latent holds a number that is none');
    },
  };
}

/** Drawing takes long: one of so many pages that could be drawn is. */
const DRAWN = 0.002;

export const TARGETS: readonly Target[] = [
  ...archives(),
  ofFiles('csv'),
  ofFiles('parquet'),
  ofFiles('safetensors'),
  ofFiles('hdf5'),
  ofFiles('zarr', true),
  ofFiles('lerobot', true),
  models(),
  cases(),
  pages('analysis', async (value) => analysisPage(readAnalysis(value, 'a.json'), 'a.json')),
  pages('report', async (value, random) => {
    const read = readReproduction(value, 'r.json');
    return random.chance(DRAWN) ? (await reproductionPage(read)).html : '';
  }),
];
