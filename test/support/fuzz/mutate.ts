import { philox } from '../../../lib/random/philox.js';

/** Random choices of one execution: a function of the seed and the execution's number, so that any one can be had again alone. */
export class Random {
  private readonly counter = new Uint32Array(4);
  private used = 4;
  private block = 0;

  constructor(
    private readonly seed: number,
    private readonly execution: number,
  ) {}

  word(): number {
    if (this.used === 4) {
      this.counter.set([this.block++, 0, 0, 0]);
      philox(this.counter, this.seed, this.execution);
      this.used = 0;
    }
    return this.counter[this.used++];
  }

  /** A whole number below n. */
  below(n: number): number {
    return Math.floor((this.word() / 2 ** 32) * n);
  }

  chance(share: number): boolean {
    return this.word() / 2 ** 32 < share;
  }

  pick<T>(all: readonly T[]): T {
    return all[this.below(all.length)] as T;
  }
}

/** Sizes and counts at which code errs. */
const NUMBERS = [
  ...[0, 1, 2, 7, 8, 127, 128, 255, 256, 65535, 65536, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32],
  ...[2 ** 40, 2 ** 52, 2 ** 53, 2 ** 63],
];

/** What stands in JSON where something else is expected. */
const ODD_VALUES: readonly unknown[] = [
  ...[
    null,
    true,
    false,
    '',
    'x',
    '0',
    'NaN',
    '../../../etc/passwd',
    '\u0000',
    '<script>alert(1)</script>',
    [],
    {},
    [[]],
  ],
  ...[
    0,
    -1,
    1,
    0.5,
    1e-308,
    1e300,
    -1e300,
    1e9,
    2 ** 31,
    2 ** 53,
    '__proto__',
    'constructor',
    { toString: 1 },
  ],
];

/** A file changed in one to four places: as JSON where it is some, else, and often then too, byte by byte. */
export function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  let out: Buffer = Buffer.from(bytes);
  for (let times = 1 + random.below(4); times > 0; times--)
    out = (random.chance(0.6) && mutatedJson(out, random)) || mutatedBytes(out, random);
  return out;
}

function mutatedBytes(bytes: Buffer, random: Random): Buffer {
  const n = bytes.length;
  const at = random.below(n + 1);
  const length = random.below(Math.min(n - at, 64) + 1);
  const part = bytes.subarray(at, at + length);
  const spliced = (...middle: Uint8Array[]) =>
    Buffer.concat([bytes.subarray(0, at), ...middle, bytes.subarray(at + length)]);
  switch (random.below(9)) {
    case 0:
      return overwritten(bytes, at, Buffer.of(random.below(256)));
    case 1:
      return at < n ? overwritten(bytes, at, Buffer.of(bytes[at] ^ (1 << random.below(8)))) : bytes;
    case 2:
      return overwritten(bytes, at, numberOf(random));
    case 3:
      return spliced();
    case 4:
      return spliced(part, part);
    case 5:
      return spliced(Buffer.from(Array.from({ length: random.below(16) }, () => random.below(256))));
    case 6:
      return bytes.subarray(0, at);
    case 7:
      return spliced(
        Buffer.from(random.pick(['NaN', '-', '1e999', '"', '{', '[', '\n', '\0', ',', '9'.repeat(400)])),
      );
    default:
      // One part of the file in the place of another.
      return overwritten(bytes, random.below(n + 1), part);
  }
}

function overwritten(bytes: Buffer, at: number, by: Uint8Array): Buffer {
  const out = Buffer.from(bytes);
  out.set(by.subarray(0, Math.max(0, out.length - at)), Math.min(at, out.length));
  return out;
}

/** A number as file formats have it: of 1 to 8 bytes, either end first, or seven bits a byte. */
function numberOf(random: Random): Buffer {
  const value = BigInt(random.pick(NUMBERS));
  const bytes = Buffer.alloc(8);
  switch (random.below(3)) {
    case 0:
      bytes.writeBigUInt64LE(value);
      return bytes.subarray(0, random.pick([1, 2, 4, 8]));
    case 1:
      bytes.writeBigUInt64BE(value);
      return bytes.subarray(random.pick([0, 4, 6, 7]));
    default: {
      const parts: number[] = [];
      for (let rest = value; ; rest >>= 7n) {
        const last = rest < 128n;
        parts.push(Number(rest & 127n) | (last ? 0 : 128));
        if (last) return Buffer.from(parts);
      }
    }
  }
}

function mutatedJson(bytes: Buffer, random: Random): Buffer | undefined {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
  return Buffer.from(JSON.stringify(changed(value, random)) ?? 'null');
}

/** A copy with one thing in it changed: left out, doubled, renamed, or of another value. */
function changed(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.chance(0.08)) return oddFor(value, random);
  if (Array.isArray(value)) {
    const at = random.below(value.length + 1);
    const out = [...value];
    if (at === value.length || random.chance(0.15))
      out.splice(at, random.below(2), random.pick(value.length > 0 ? value : ODD_VALUES));
    else if (random.chance(0.1)) out.splice(at, 1);
    else out[at] = changed(value[at], random);
    return out;
  }
  const entries = Object.entries(value);
  const at = random.below(entries.length + 1);
  const entry = entries[at];
  if (!entry)
    return {
      ...value,
      [random.pick(['x', '__proto__', ...entries.map(([key]) => `${key}s`)])]: random.pick(ODD_VALUES),
    };
  const [key, inner] = entry;
  if (random.chance(0.1)) entries.splice(at, 1);
  else if (random.chance(0.05)) entries[at] = [`${key}_`, inner];
  else entries[at] = [key, changed(inner, random)];
  return Object.fromEntries(entries);
}

function oddFor(value: unknown, random: Random): unknown {
  if (typeof value === 'number' && random.chance(0.6)) {
    const number = random.pick([...NUMBERS, value * 1e3, -value, value / 3, value + 1, 1e154, 1e-154]);
    return random.chance(0.2) ? -number : number;
  }
  return random.pick(ODD_VALUES);
}
