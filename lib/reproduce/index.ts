export type { ClaimVerdict } from './claims.js';
export { present, reproductionPage } from './page.js';
export { isReproduction, readReproduction } from './read.js';
export type { ReproduceData } from './real-spec.js';
export { type ReproduceOptions, type Reproduction, reproduce, reproduceOptionsSchema } from './reproduce.js';
export { allHold } from './statements.js';
export { spoken } from './verdict.js';
export { resultsJson, writeReproduction } from './write.js';
