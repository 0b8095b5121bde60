/**
 * A fixed camera: points in the world become a small grey image. Perspective, soft edges, occlusion and 8-bit grey levels
 * make it nonlinear in the joint angles; nothing in it is random.
 */
export interface Camera {
  readonly width: number;
  readonly height: number;
  /** Position in metres; it looks along +y, x to the right and z up. */
  readonly eye: readonly [x: number, y: number, z: number];
  /** Pixels per metre at one metre's distance. */
  readonly focal: number;
  /** Standard deviation of the lens blur, in pixels. */
  readonly blur: number;
}

export const CAMERA: Camera = { width: 20, height: 15, eye: [0, -3.2, 0.8], focal: 24, blur: 1 };

/** A polyline of capsules, with a ball of another radius on all its points but the first. */
export interface Figure {
  /** (points, 3), metres */
  readonly points: Float64Array;
  readonly radius: number;
  readonly ball: number;
  /** Grey level, 0 to 1, on a black background. */
  readonly grey: number;
}

/** Beyond this many standard deviations an edge is exactly zero: pixels a figure does not reach do not depend on it. */
const REACH = 3;

/**
 * Draws back to front: a nearer figure covers a farther one. Returns (height, width) grey levels, 0 to 1 in steps of 1/255.
 */
export function render(figures: readonly Figure[], camera: Camera = CAMERA): Float64Array {
  const image = new Float64Array(camera.width * camera.height);
  for (const figure of figures) paint(image, figure, camera);
  return image.map((v) => Math.round(255 * v) / 255);
}

interface Projected {
  readonly u: number;
  readonly v: number;
  /** Pixels per metre at this point's distance. */
  readonly scale: number;
}

function project(points: Float64Array, i: number, { eye, focal, width, height }: Camera): Projected {
  const scale = focal / (points[3 * i + 1] - eye[1]);
  return {
    u: width / 2 + scale * (points[3 * i] - eye[0]),
    v: height / 2 - scale * (points[3 * i + 2] - eye[2]),
    scale,
  };
}

function paint(image: Float64Array, figure: Figure, camera: Camera): void {
  const corners = Array.from({ length: figure.points.length / 3 }, (_, i) =>
    project(figure.points, i, camera),
  );
  const cover = new Float64Array(image.length);
  corners.forEach((b, i) => {
    const a = corners[i - 1];
    if (!a) return;
    stamp(cover, a, b, figure.radius, camera);
    if (figure.ball > 0) stamp(cover, b, b, figure.ball, camera);
  });
  for (let p = 0; p < image.length; p++) {
    const alpha = cover[p];
    image[p] = alpha * figure.grey + (1 - alpha) * image[p];
  }
}

/** Coverage falls off as a Gaussian of the distance from the segment a-b; its width is radius and blur together. */
function stamp(cover: Float64Array, a: Projected, b: Projected, radius: number, camera: Camera): void {
  const sigma = Math.hypot((radius * (a.scale + b.scale)) / 2, camera.blur);
  const [du, dv] = [b.u - a.u, b.v - a.v];
  const length2 = du * du + dv * dv;
  const reach = REACH * sigma;
  const clip = (x: number, max: number) => Math.min(max, Math.max(0, x));
  const left = clip(Math.floor(Math.min(a.u, b.u) - reach), camera.width);
  const right = clip(Math.ceil(Math.max(a.u, b.u) + reach), camera.width);
  const top = clip(Math.floor(Math.min(a.v, b.v) - reach), camera.height);
  const bottom = clip(Math.ceil(Math.max(a.v, b.v) + reach), camera.height);
  for (let y = top; y < bottom; y++)
    for (let x = left; x < right; x++) {
      const [pu, pv] = [x + 0.5 - a.u, y + 0.5 - a.v];
      const along = length2 > 0 ? Math.min(1, Math.max(0, (pu * du + pv * dv) / length2)) : 0;
      const distance2 = (pu - along * du) ** 2 + (pv - along * dv) ** 2;
      if (distance2 > reach * reach) continue;
      const at = y * camera.width + x;
      cover[at] = Math.max(cover[at], Math.exp(-distance2 / (2 * sigma * sigma)));
    }
}
