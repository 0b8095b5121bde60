import { Deserializer, Serializer } from 'node:v8';

/**
 * An answer on its way from the process that parses files: one part that says what it holds, its numbers left out, then the bytes of
 * its arrays one after the other. They are written from where they lie and read to where they stay: no copy is made of them between.
 */

type View = Float64Array | Uint8Array | BigInt64Array;
type ViewConstructor = new (length: number) => View;

/** Kinds of arrays by the number that stands for them. */
const KINDS = [
  Uint8Array,
  Uint16Array,
  Uint32Array,
  Int8Array,
  Int16Array,
  Int32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as unknown as readonly ViewConstructor[];

const LENGTH_BYTES = 4;

/** What Node.js documents of a serializer, and its types leave out: arrays come to `_writeHostObject`. */
interface HostObjects {
  _setTreatArrayBufferViewsAsHostObjects(flag: boolean): void;
}

class Outgoing extends Serializer {
  readonly views: View[] = [];

  constructor() {
    super();
    (this as unknown as HostObjects)._setTreatArrayBufferViewsAsHostObjects(true);
  }

  _writeHostObject(view: View): void {
    const kind = KINDS.findIndex((one) => view instanceof one);
    if (kind < 0) throw new TypeError(`an answer cannot hold a ${view.constructor.name}`);
    this.writeUint32(kind);
    this.writeDouble(view.length);
    this.views.push(view);
  }
}

class Incoming extends Deserializer {
  readonly views: View[] = [];

  _readHostObject(): View {
    const Kind = KINDS[this.readUint32()] as ViewConstructor;
    const view = new Kind(this.readDouble());
    this.views.push(view);
    return view;
  }
}

/** The parts of an answer, in the order in which they are written. */
export function partsOf(answer: unknown): Uint8Array[] {
  const out = new Outgoing();
  out.writeHeader();
  out.writeValue(answer);
  const said = out.releaseBuffer();
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(said.length);
  const bytes = out.views.map((view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  return [length, said, ...bytes];
}

/** Takes the bytes of answers as they come and hands on each one that is whole. */
export function answersFrom(onAnswer: (answer: unknown) => void): (chunk: Uint8Array) => void {
  let wanted: Uint8Array[] = [new Uint8Array(LENGTH_BYTES)];
  let part = 0;
  let filled = 0;
  let state: 'length' | 'said' | 'views' = 'length';
  let answer: unknown;
  const begin = (next: typeof state, parts: Uint8Array[]): void => {
    state = next;
    wanted = parts;
    part = 0;
    filled = 0;
  };
  /** Goes on from a state whose parts are all there: some have no parts at all. */
  const advance = (): void => {
    const [first] = wanted as [Uint8Array];
    if (state === 'length') {
      begin('said', [new Uint8Array(Buffer.from(first).readUInt32LE())]);
    } else if (state === 'said') {
      const said = new Incoming(first);
      said.readHeader();
      answer = said.readValue();
      begin(
        'views',
        said.views.map((view) => new Uint8Array(view.buffer)),
      );
    }
    while (part < wanted.length && wanted[part]?.length === 0) part++;
    if (state === 'views' && part === wanted.length) {
      begin('length', [new Uint8Array(LENGTH_BYTES)]);
      onAnswer(answer);
    }
  };
  return (chunk) => {
    for (let at = 0; at < chunk.length; ) {
      const target = wanted[part] as Uint8Array;
      const count = Math.min(chunk.length - at, target.length - filled);
      target.set(chunk.subarray(at, at + count), filled);
      at += count;
      filled += count;
      if (filled < target.length) continue;
      filled = 0;
      do part++;
      while (part < wanted.length && wanted[part]?.length === 0);
      if (part === wanted.length) advance();
    }
  };
}
