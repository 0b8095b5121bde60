/** A point of the scene, metres: x to the right, y away from the camera, z up. */
export type Point = readonly [x: number, y: number, z: number];

/** Two ends of a link. */
export type Link = readonly [Point, Point];

export const FRAME = { width: 24, height: 18 } as const;

/** Distance of the camera from the arm's plane, and half of what it sees there, metres. */
const DISTANCE = 2;
const HALF_WIDTH = 0.8;
const CENTRE_HEIGHT = 0.38;
/** Width of a link's soft edge, in pixels, and blobs along one. */
const BLUR = 0.9;
const BLOBS = 8;

/** Image coordinates (pixels) of a point: perspective, what is farther is smaller. */
export function project([x, y, z]: Point): readonly [number, number] {
  const scale = (FRAME.width / (2 * HALF_WIDTH)) * (DISTANCE / (DISTANCE + y));
  return [FRAME.width / 2 + x * scale, FRAME.height / 2 - (z - CENTRE_HEIGHT) * scale];
}

/**
 * Adds the ink of links to a frame (height x width): a fixed nonlinear map of the joint angles, through rotation, perspective
 * and soft blobs along each link. `expose` turns ink into brightness.
 */
export function draw(links: readonly Link[], ink: Float64Array, amount = 1): void {
  const { width, height } = FRAME;
  const across = new Float64Array(width);
  for (const [a, b] of links)
    for (let n = 0; n < BLOBS; n++) {
      const t = (n + 0.5) / BLOBS;
      const [u, v] = project([a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2])]);
      for (let i = 0; i < width; i++) across[i] = Math.exp(-(((i + 0.5 - u) / BLUR) ** 2) / 2);
      for (let j = 0; j < height; j++) {
        const down = amount * Math.exp(-(((j + 0.5 - v) / BLUR) ** 2) / 2);
        if (down < 1e-9) continue;
        for (let i = 0; i < width; i++)
          ink[j * width + i] = (ink[j * width + i] as number) + down * (across[i] as number);
      }
    }
}

/** Brightness in [0, 1): saturates, so that what overlaps does not add up. */
export function expose(ink: Float64Array): Float64Array {
  return ink.map((v) => 1 - Math.exp(-v));
}
