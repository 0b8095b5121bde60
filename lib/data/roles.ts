import { ExolamError } from '../base/errors.js';
import { listNearest, unknownName } from './names.js';

/** What an array or a column of a file can be to an analysis. */
export type Role =
  | 'observation'
  | 'observationNext'
  | 'action'
  | 'exogenous'
  | 'exogenousNext'
  | 'pairObservation'
  | 'pairObservationNext'
  | 'episode'
  | 'episodeEnds'
  | 'episodeOver';

/**
 * Names under which people keep each of them, the one that this package writes first. Case and separators do not count:
 * `Next.Observations` is `next_observations`.
 */
export const ROLE_NAMES: Readonly<Record<Role, readonly string[]>> = {
  observation: [
    ...['observations', 'observation', 'obs', 'observation_state', 'state', 'states'],
    ...['frames', 'images', 'img'],
  ],
  observationNext: [
    ...['observation_next', 'next_observation', 'next_observations', 'observations_next'],
    ...['next_obs', 'obs_next', 'next_state', 'next_states', 'state_next', 'states_next', 'next'],
  ],
  action: ['actions', 'action', 'act', 'acts'],
  exogenous: ['exogenous', 'exogenous_state', 'exo'],
  exogenousNext: ['exogenous_next', 'next_exogenous', 'exo_next', 'next_exo'],
  pairObservation: ['observation_pair', 'pair_observation'],
  pairObservationNext: ['observation_pair_next', 'pair_observation_next', 'pair_next_observation'],
  episode: [
    ...['episode_index', 'episode', 'episode_id', 'episode_idx', 'episode_number', 'ep', 'ep_id', 'ep_idx'],
    ...['traj_id', 'traj_idx', 'traj_index', 'traj', 'trajectory', 'trajectory_id', 'trajectory_index'],
    ...['demo', 'demo_id', 'demo_idx', 'demo_index'],
  ],
  episodeEnds: ['episode_ends', 'episode_end'],
  episodeOver: [
    ...['terminals', 'timeouts', 'terminal', 'timeout', 'dones', 'done'],
    ...['terminated', 'truncated', 'terminations', 'truncations'],
  ],
};

/** A name without its case and separators: nextObservation, next.observation and Next-Observation are one. */
export function plain(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$/g, '');
}

/** The roles of a file's names: found by alias, chosen by an option, or left unread. */
export class Roles {
  private readonly byPlain = new Map<string, string>();
  private readonly used = new Set<string>();
  readonly notes: string[] = [];

  constructor(
    private readonly path: string,
    private readonly names: readonly string[],
    private readonly noun: 'array' | 'column',
  ) {
    for (const name of names) if (!this.byPlain.has(plain(name))) this.byPlain.set(plain(name), name);
  }

  /** The name that has a role: the one an option gives, else the first of its usual names. */
  find(role: Role, option?: string, given?: string): string | undefined {
    if (given !== undefined) {
      if (!this.names.includes(given)) throw unknownName(option ?? role, given, this.path, this.names);
      this.used.add(given);
      return given;
    }
    const [own] = ROLE_NAMES[role];
    const alias = ROLE_NAMES[role].find(
      (name) => this.byPlain.has(name) && !this.used.has(this.byPlain.get(name) ?? ''),
    );
    if (alias === undefined) return undefined;
    const name = this.byPlain.get(alias) as string;
    this.used.add(name);
    if (name !== own && !isUsual(role, name)) this.notes.push(`the ${this.noun} ${name} is read as ${own}`);
    return name;
  }

  /** Every name that has a role: an episode can end in several ways. */
  all(role: Role): string[] {
    const found = ROLE_NAMES[role].flatMap((name) => this.byPlain.get(name) ?? []);
    for (const name of found) this.used.add(name);
    return found;
  }

  use(name: string): void {
    this.used.add(name);
  }

  /** A note for what is there and not read, where it could be taken for something that is. */
  unread(hint: string, looksLike: (name: string) => boolean = () => true): void {
    const left = this.names.filter((name) => !this.used.has(name) && looksLike(name));
    if (left.length === 0) return;
    const which =
      left.length === 1 ? `the ${this.noun} ${left[0]} is` : `the ${this.noun}s ${listNearest('', left)} are`;
    this.notes.push(`${which} not read; ${hint}`);
  }
}

/** Both of the two forms of an .npz are its usual names, and so are `action` and `episode`: no word about them. */
function isUsual(role: Role, name: string): boolean {
  return (role === 'observation' && name === 'observation') || (role === 'episode' && name === 'episode');
}

/** Does a column look as if it were an observation, an action, an episode or an exogenous state? */
export function looksLikeOurs(name: string): boolean {
  return /(^|_)(obs|observations?|next|states?|acts?|actions?|exo|exogenous|ep|episodes?|traj|trajectory|demo|pair)(_|\d|$)/.test(
    plain(name),
  );
}

export function noSuchArray(path: string, missing: string, names: readonly string[]): ExolamError {
  return new ExolamError(
    'data',
    `${path} has no array ${missing}; expected observations with episode_ends, or observation with observation_next; ` +
      `it holds: ${listNearest(missing, names)}`,
  );
}
