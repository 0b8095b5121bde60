function mulhi(a: number, b: number): number {
  const al = a & 0xffff, ah = a >>> 16, bl = b & 0xffff, bh = b >>> 16;
  const mid = ah * bl + ((al * bl) >>> 16);
  const mid2 = (mid & 0xffff) + al * bh;
  return (ah * bh + Math.floor(mid / 65536) + Math.floor(mid2 / 65536)) >>> 0;
}
function block(seed: number, stream: number, index: number): number[] {
  let c0 = index >>> 0, c1 = Math.floor(index / 2 ** 32) >>> 0, c2 = stream >>> 0, c3 = Math.floor(stream / 2 ** 32) >>> 0;
  let k0 = seed >>> 0, k1 = Math.floor(seed / 2 ** 32) >>> 0;
  for (let r = 0; r < 10; r++) {
    const h0 = mulhi(0xd2511f53, c0), l0 = Math.imul(0xd2511f53, c0) >>> 0;
    const h1 = mulhi(0xcd9e8d57, c2), l1 = Math.imul(0xcd9e8d57, c2) >>> 0;
    [c0, c1, c2, c3] = [(h1 ^ c1 ^ k0) >>> 0, l1, (h0 ^ c3 ^ k1) >>> 0, l0];
    k0 = (k0 + 0x9e3779b9) >>> 0; k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}
export function normals(seed: number, stream: number, first: number, count: number): Float64Array {
  const out = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const at = first + i;
    const [a, b, c, d] = block(seed, stream, Math.floor(at / 2)) as [number, number, number, number];
    const u = (b * 2 ** 21 + (a >>> 11) + 1) * 2 ** -53;
    const v = (d * 2 ** 21 + (c >>> 11)) * 2 ** -53;
    const r = Math.sqrt(-2 * Math.log(u));
    out[i] = at % 2 ? r * Math.sin(2 * Math.PI * v) : r * Math.cos(2 * Math.PI * v);
  }
  return out;
}
