/**
 * A small generator (sfc32) for drawing the worlds of a check: trial i of a check draws the same world however many trials run.
 * Samples of worlds come from the backend's own streams, not from here.
 */
export class Random {
  private readonly state: Uint32Array;
  private spare: number | undefined;

  constructor(seed: number, ...streams: readonly (number | string)[]) {
    let mixed = (seed ^ Math.floor(seed / 2 ** 32)) >>> 0;
    for (const stream of streams)
      for (const character of `/${stream}`)
        mixed = Math.imul(mixed ^ character.charCodeAt(0), 0x9e3779b1) >>> 0;
    this.state = Uint32Array.of(mixed, Math.imul(mixed, 0x85ebca6b), mixed ^ 0x6a09e667, 1);
    for (let i = 0; i < 20; i++) this.word();
  }

  private word(): number {
    const s = this.state;
    const [a, b, c, d] = s as unknown as [number, number, number, number];
    const t = (a + b + d) >>> 0;
    s[3] = d + 1;
    s[0] = b ^ (b >>> 9);
    s[1] = c + (c << 3);
    s[2] = ((c << 21) | (c >>> 11)) + t;
    return t;
  }

  /** Uniform in [low, high), never 0 for the default range. */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * ((this.word() + 0.5) / 2 ** 32);
  }

  logUniform(low: number, high: number): number {
    return low * (high / low) ** this.uniform();
  }

  /** Both ends included. */
  integer(low: number, high: number): number {
    return low + Math.floor((high - low + 1) * this.uniform());
  }

  pick<T>(values: readonly T[]): T {
    return values[this.integer(0, values.length - 1)];
  }

  normal(): number {
    const { spare } = this;
    this.spare = undefined;
    if (spare !== undefined) return spare;
    const radius = Math.sqrt(-2 * Math.log(this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  normals(count: number): Float64Array {
    return Float64Array.from({ length: count }, () => this.normal());
  }
}
