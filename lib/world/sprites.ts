import { z } from 'zod';
import type { SpriteView } from '../backend/views.js';
import { describes, numberThat, parse } from '../base/validate.js';
import { type WorldSpec, worldSchema } from './world.js';

/**
 * A small grey video: on a frame of size x size pixels, whose borders meet, the action moves an agent, and distractors move by
 * themselves (docs/theory.md, "Nonlinear worlds"). s is the agent's position and x the distractors', in pixels. Sprites are soft, so
 * that a motion of less than a pixel shows; every pixel is in [0, 1].
 */
export interface SpriteWorldSpec extends Pick<WorldSpec, 'policyNoise' | 'seed'> {
  /** Always `sprites`. */
  readonly kind: 'sprites';
  /** Pixels of a side of the frame, 4 to 256. Default 12. */
  readonly size?: number | undefined;
  /** Pixels from the agent's middle to where it ends, more than 0 and at most half of size. Default 4. */
  readonly agentRadius?: number | undefined;
  /** Pixels that an action of unit size moves the agent by, at least 0. Default 1. */
  readonly agentSpeed?: number | undefined;
  /** Brightness of the agent's middle, more than 0 and at most 1. Default 1. */
  readonly agentBrightness?: number | undefined;
  /**
   * Standard deviation of where a sprite is before the transition, along each axis, in pixels, at least 0: around the middle for the
   * agent, around places on a circle about it for distractors. From half of size on, anywhere alike. Default 1.
   */
  readonly spread?: number | undefined;
  /** How many distractors there are, 1 to 64. Default 1. */
  readonly distractors?: number | undefined;
  /** Pixels from a distractor's middle to where it ends, more than 0 and at most half of size. Default 4. */
  readonly distractorRadius?: number | undefined;
  /** Standard deviation of a distractor's step along each axis, in pixels, at least 0. Default 2. */
  readonly distractorSpeed?: number | undefined;
  /** Brightness of a distractor's middle, more than 0 and at most 1. Default 0.9. */
  readonly distractorBrightness?: number | undefined;
}

const radius = z.number().gt(0);
const brightness = numberThat('a number more than 0 and at most 1', (v) => v > 0 && v <= 1);

/** What {@link SpriteWorldSpec} says, checked: its parse fills in the defaults. */
export const spriteWorldSchema = describes<SpriteWorldSpec>()(
  z.strictObject({
    kind: z.literal('sprites'),
    size: z.int().min(4).max(256).default(12),
    agentRadius: radius.default(4),
    agentSpeed: z.number().min(0).default(1),
    agentBrightness: brightness.default(1),
    policyNoise: worldSchema.shape.policyNoise,
    spread: z.number().min(0).default(1),
    distractors: z.int().min(1).max(64).default(1),
    distractorRadius: radius.default(4),
    distractorSpeed: z.number().min(0).default(2),
    distractorBrightness: brightness.default(0.9),
    seed: worldSchema.shape.seed,
  }),
);

/** Checks a sprite world and fills in its defaults. */
export function spriteWorld(input: SpriteWorldSpec, what = 'world'): z.output<typeof spriteWorldSchema> {
  const spec = parse(spriteWorldSchema, input, what);
  for (const name of ['agentRadius', 'distractorRadius'] as const)
    parse(radius.max(spec.size / 2), spec[name], `${what}.${name}`);
  return spec;
}

export function spriteView(spec: z.output<typeof spriteWorldSchema>): SpriteView {
  const { size, agentRadius, distractorRadius, agentBrightness, distractorBrightness, spread } = spec;
  return {
    kind: 'sprites',
    size,
    agentRadius,
    distractorRadius,
    agentBrightness,
    distractorBrightness,
    spread,
  };
}
