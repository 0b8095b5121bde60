import { featureWidth, nestedArrays } from './judging-requests.js';
import type { Backend, Control } from './requests.js';

/** The addon's part of judging: see native/addon/judging.h. */
export interface JudgingAddon {
  featureMoments(request: object): Promise<void>;
  nestedErrors(request: object): Promise<void>;
}

/** `answer`: the arrays that the call writes. */
type Run = (
  call: (request: object) => Promise<void>,
  request: object,
  answer: object,
  control: Control | undefined,
) => Promise<void>;

/** Latents that any encoder made, judged. */
export function judging(addon: JudgingAddon, run: Run): Pick<Backend, 'featureMoments' | 'nestedErrors'> {
  return {
    async featureMoments({ maps, ...r }, control) {
      const width = featureWidth({ inputs: r.inputs, maps });
      const moments = new Float64Array(r.units * width * width);
      const mapSizes = Int32Array.from(maps.flatMap((m) => [m.begin, m.size, m.phases.length]));
      const mapNumbers = new Float64Array(
        maps.reduce((sum, m) => sum + m.frequencies.length + m.phases.length, 0),
      );
      let at = 0;
      for (const { frequencies, phases } of maps) {
        mapNumbers.set(frequencies, at);
        mapNumbers.set(phases, at + frequencies.length);
        at += frequencies.length + phases.length;
      }
      await run(addon.featureMoments, { ...r, mapSizes, mapNumbers }, { moments }, control);
      return moments;
    },

    async nestedErrors(r, control) {
      const answer = nestedArrays(r);
      const shape = Int32Array.from(
        r.questions.flatMap((q) => [q.given.length, q.added.length, q.free, q.targets.length / 2]),
      );
      const columns = Int32Array.from(r.questions.flatMap((q) => [...q.given, ...q.added, ...q.targets]));
      await run(addon.nestedErrors, { ...r, shape, columns }, answer, control);
      return answer;
    },
  };
}
