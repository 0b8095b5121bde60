/** The options that say what is read of a user's data: those of `analyze`, for every command that takes data. */
import { type Command, Option } from 'commander';
import { ExolamError } from '../base/errors.js';
import { parseEpisodes } from '../data/choose.js';
import type { Scale } from '../moments/of-units.js';
import { oneOrSeveral } from './numbers.js';

export interface DataFlags {
  readonly observation?: string;
  readonly observationNext?: string;
  readonly action?: string;
  readonly exogenous?: string;
  readonly exogenousNext?: string;
  readonly episode?: string;
  readonly episodes?: string;
  readonly exclude?: string;
  readonly strict?: boolean;
  readonly resize?: string;
  readonly color?: boolean;
  readonly stride?: number | number[];
  readonly actionLag?: number | number[];
  readonly distractor?: number;
  readonly scale?: Scale;
}

/** The text of an option that is a number, as one; other text stays as it is, for the schema of the call to refuse. */
export function numeric(text: string): number | string {
  const value = Number(text);
  return text.trim() === '' || Number.isNaN(value) ? text : value;
}

/** What says how data is read. `distractor`: what help says of that option's default. */
export function withDataOptions(command: Command, distractor: string): Command {
  return command
    .option(
      '--observation <key>',
      'a feature (observation.state, observation.images.front), columns (obs_*) or an array (default: observation.state, else by its name)',
    )
    .option(
      '--observation-next <key>',
      "columns or array of o', where rows are transitions (default: by its name)",
    )
    .option('--action <key>', 'the action feature, columns or array (default: action, where there is one)')
    .option(
      '--exogenous <key>',
      'the feature, columns or array of the exogenous state x of each row (default: by its name)',
    )
    .option(
      '--exogenous-next <key>',
      "columns or array of x' (of frames: x of the next one; default: by its name)",
    )
    .option('--episode <key>', "column or array of the number of each row's episode (default: by its name)")
    .option('--episodes <episodes>', 'the episodes to read, such as 0-9,12 (default: all)')
    .option('--exclude <episodes>', 'episodes to leave out, such as 3,7-9 (default: none)')
    .option('--strict', 'refuse data with an episode that cannot be read, instead of leaving it out')
    .option('--resize <WxH>', 'size of frames (default: the longer side 32)')
    .option('--color', 'video in colour (default: grey)')
    .addOption(
      new Option(
        '--stride <n>',
        "frames between o and o'; several, such as 1,2,5,10 or 1:4, are compared (default 1)",
      ).argParser(oneOrSeveral),
    )
    .addOption(
      new Option(
        '--action-lag <rows>',
        'take the action so many rows later; several, such as -2:2, find where a logger wrote it (default 0)',
      ).argParser(oneOrSeveral),
    )
    .addOption(
      new Option(
        '--distractor <weight>',
        `composite the mirrored frames of another episode, as known exogenous state (default: ${distractor})`,
      ).argParser(numeric),
    )
    .addOption(
      new Option(
        '--scale <how>',
        'standard: every column at unit variance, so that units of measure say nothing (default for vectors); given: as they are (default for pixels)',
      ).choices(['standard', 'given']),
    );
}

function frameSize(text: string): { width: number; height: number } {
  const size = /^(\d+)x(\d+)$/.exec(text);
  if (!size)
    throw new ExolamError('input', `--resize: expected WIDTHxHEIGHT such as 20x15 but received "${text}"`);
  return { width: Number(size[1]), height: Number(size[2]) };
}

/** What is read, in the words of `openData`, but for the stride and the lag, of which some commands take several. */
export function readingOf(flags: DataFlags) {
  const { observation, observationNext, action, exogenous, exogenousNext, episode, color } = flags;
  return {
    ...{ observation, observationNext, action, exogenous, exogenousNext, episode },
    episodes: flags.episodes === undefined ? undefined : parseEpisodes('--episodes', flags.episodes),
    exclude: flags.exclude === undefined ? undefined : parseEpisodes('--exclude', flags.exclude),
    strict: flags.strict,
    resize: flags.resize === undefined ? undefined : frameSize(flags.resize),
    color,
    distractor: flags.distractor,
  };
}
