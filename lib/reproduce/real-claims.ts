/** C1 to C3 on the user's data: said only where both intervals say so, of the models and of other episodes than these. */
import { answerOf, type Difference, unitsNeeded } from '../metrics/interval.js';
import { about } from '../verdict/figures.js';
import type { ClaimVerdict } from './claims.js';
import { type RealComparison, type RealFigure, realComparisons } from './real-figures.js';
import type { RealSpec } from './real-spec.js';
import type { Tables } from './study.js';
import { MATERIAL, type Verdict } from './verdict.js';

const hundredths = (share: number) => {
  const text = (100 * share).toFixed(Math.abs(share) < 0.1 ? 1 : 0);
  return text.replace(/^-(?=0(\.0)?$)/, '').replace('-', '−');
};
const range = (low: number, high: number) => `${hundredths(low)} to ${hundredths(high)}\u00a0%`;

/** "24 % (95 %: 20 to 28 % over models; for other episodes −5 to 45 %), 69 % in training" */
function told({ models, episodes }: RealFigure): string {
  const others =
    episodes.reason === null ? range(episodes.low, episodes.high) : `not measurable, ${episodes.reason}`;
  return `${hundredths(models.value)}\u00a0% (95\u00a0%: ${range(models.low, models.high)} over models, for other episodes ${others}; in training ${hundredths(episodes.training)}\u00a0%)`;
}

const BASED = { leakage: 'innovationLeakage', shareExogenous: 'latentShare.exogenous' } as const;

/** Reconstruction: leaks by one measure, for models and other episodes alike; does not by both, in training as well. */
function leaks({ figures }: RealComparison): Verdict {
  const both = [figures.leakage, figures.shareExogenous];
  const above = ({ models, episodes }: RealFigure) =>
    episodes.reason === null && episodes.low > MATERIAL && models.low > MATERIAL;
  if (both.some(above)) return 'holds';
  const answer = answerOf(
    {
      [BASED.leakage]: figures.leakage.episodes,
      [BASED.shareExogenous]: figures.shareExogenous.episodes,
    },
    MATERIAL,
  );
  const none = answer === 'does-not-leak' && both.every(({ models }) => models.high < MATERIAL);
  return none ? 'does not hold' : 'cannot tell';
}

/** How many episodes would tell, where that can be worked out. */
function wouldDo({ episodes }: RealFigure, spec: RealSpec): string {
  const listed = spec.groups.reduce((all, group) => all + group.length, 0);
  const needed = unitsNeeded(episodes, listed, MATERIAL);
  return episodes.reason === null && Number.isFinite(needed) && needed > listed
    ? `; ${about(needed)} episodes would do`
    : '';
}

function ofReconstruction(plain: RealComparison, spec: RealSpec): ClaimVerdict {
  const verdict = leaks(plain);
  const { leakage, shareExogenous } = plain.figures;
  const { value, low, high } = leakage.episodes;
  const more = verdict === 'cannot tell' ? wouldDo(leakage, spec) : '';
  const sentence = `Of what is new in the distractor probes find this much in z of models that reconstruct, on held-out episodes: ${told(leakage)}. Of z the distractor explains ${told(shareExogenous)}${more}.`;
  return { claim: 'C1', verdict, sentence, ...{ value, low, high } };
}

/** By how much a measure is lower than under reconstruction, in points. */
function lowered(verdict: Verdict, by: Difference, what: string): string {
  const raises = by.value < 0;
  const [size, low, high] = raises ? [-by.value, -by.high, -by.low] : [by.value, by.low, by.high];
  const points = `${hundredths(size)} points (for other episodes ${hundredths(low)} to ${hundredths(high)})`;
  const unsure = verdict === 'cannot tell' ? ', not to be told from no change' : '';
  return `${raises ? 'raises' : 'lowers'} ${what} by ${points}${unsure}`;
}

function ofRepresentation(c: RealComparison): ClaimVerdict {
  const { verdict, by } = c.lower.leakage;
  const sentence = `The representation ${lowered(verdict, by, 'that share')}, to ${told(c.figures.leakage)}.`;
  return { claim: 'C2', verdict, sentence, value: by.value, low: by.low, high: by.high };
}

function ofAuxiliaries(plain: RealComparison, all: readonly RealComparison[]): ClaimVerdict {
  const verdicts = all.map(({ lower }) => lower.consistencyError.verdict);
  const verdict = verdicts.includes('does not hold')
    ? 'does not hold'
    : verdicts.includes('cannot tell')
      ? 'cannot tell'
      : 'holds';
  const each = all.map(({ name, lower }) => {
    const { verdict: own, by } = lower.consistencyError;
    return `${name} ${lowered(own, by, 'it')}`;
  });
  const weakest = all.reduce((a, b) =>
    b.lower.consistencyError.by.value < a.lower.consistencyError.by.value ? b : a,
  ).lower.consistencyError.by;
  const sentence = `How far z moves under the distractor of another episode, of its variance, under reconstruction ${told(plain.figures.consistencyError)}: ${each.join('; ')}.`;
  return {
    ...({ claim: 'C3', verdict, sentence } as const),
    ...{ value: weakest.value, low: weakest.low, high: weakest.high },
  };
}

/** One verdict a claim, computed from the table alone. */
export function realClaims(tables: Tables, spec: RealSpec): ClaimVerdict[] {
  const all = realComparisons(tables, spec);
  const [plain] = all as [RealComparison];
  return [
    ofReconstruction(plain, spec),
    ...all.filter(({ claim }) => claim === 'C2').map(ofRepresentation),
    ofAuxiliaries(
      plain,
      all.filter(({ claim }) => claim === 'C3'),
    ),
  ];
}

/** What decides, for the reader of a page. */
export const REAL_CRITERION =
  'On the data a claim is said to hold, or not to, where two intervals agree: over models (another start, another order of rows, other held-out episodes: these episodes alone) and for other episodes than these (a jackknife of models trained without each). C1: both above 10\u00a0%, of leakage or of the share of z; it does not hold where both of both lie below, and in training too. C2 and C3: intervals over models that do not overlap, and a jackknifed difference on one side of 0. Else these episodes cannot tell. A probe that is learned on few episodes finds less on others than z holds: figures in training say what these episodes show.';
