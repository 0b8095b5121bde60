import { ExolamError } from '../base/errors.js';
import type { Backend } from './requests.js';

/** Gradient steps in the addon. */
export function gradientSteps(): Pick<
  Backend,
  'trainSteps' | 'trainBatch' | 'trainLoss' | 'applyNetwork' | 'drawRows'
> {
  const absent = async (): Promise<never> => {
    throw new ExolamError('unsupported', 'gradient steps: expected the reference backend');
  };
  return {
    trainSteps: absent,
    trainBatch: absent,
    trainLoss: absent,
    applyNetwork: absent,
    drawRows: absent,
  };
}
