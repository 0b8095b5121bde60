// One lane at a time: the latents in order, the complement's multiplicity, and the answer's arrays.
#pragma once
#include "kernels/population/metrics-inl.h"

// The encoder of a latent; its sign makes the largest of its weights on e positive.
static void write_encoder(const Solved& a, std::size_t l, std::size_t row, std::size_t slot) {
  const PopulationBatch& batch = a.group.batch;
  const std::size_t ne = a.problem.e.rows, q = a.world.shape.q, qe = a.world.shape.qe;
  const double* g = a.spectrum.g + row * ne * LANES + l;
  double largest = 0, sign = 1;
  for (std::size_t j = 0; j < ne; ++j) {
    const double v = g[j * LANES];
    if (__builtin_fabs(v) > largest * (1 + SIGN_TIE)) {
      largest = __builtin_fabs(v);
      sign = v < 0 ? -1 : 1;
    }
  }
  const std::size_t from = row * qe * LANES + l;
  const double *c = a.encoder.c + from, *d = a.encoder.d + from;
  double *out_c = batch.encoder_c + slot * q, *out_d = batch.encoder_d + slot * q;
  for (std::size_t j = 0; j < q; ++j) {
    out_c[j] = sign * c[j * LANES];
    out_d[j] = sign * d[j * LANES];
  }
}

// Takes latents until there are k: the spectrum, which of it is the complement's, and encoders. Returns the
// last eigenvalue.
static double take_latents(const Solved& a, Walk& walk, std::size_t k, std::size_t& filled) {
  const PopulationBatch& batch = a.group.batch;
  const std::size_t first = (a.group.first + walk.lane) * batch.max_latent();
  double* spectrum = batch.spectrum + first;
  std::uint8_t* picks = batch.complement + first;
  double value = filled > 0 ? spectrum[filled - 1] : 0;
  for (; filled < k; ++filled) {
    value = spectrum[filled] = walk.next();
    picks[filled] = walk.next_is_complement();
    const std::size_t row = walk.row;
    walk.take();
    if (batch.encoder && row < a.spectrum.rows && row < walk.row && walk.kept(row))
      write_encoder(a, walk.lane, row, first + filled);
  }
  return value;
}

static void write_rank(const Solved& a, const Walk& walk) {
  double rank = 0;
  for (std::size_t i = 0; i < walk.ne; ++i) {
    if (walk.kept(i)) rank += 1;
    if (walk.complement(i)) rank += walk.multiplicity;
  }
  a.group.batch.rank[a.group.first + walk.lane] = static_cast<std::int32_t>(rank);
}

// Whether the latents taken end among some that tie, clearly apart from all others, and that no metric tells
// from one another. Which of them an encoder has is another question.
static bool ties_evenly(const Solved& a, const Walk& walk, double gap) {
  const Ties& ties = a.spectrum.ties;
  const auto tied = [&](std::size_t i) { return ties.with_next[i * LANES + walk.lane] != 0; };
  if (a.group.batch.encoder || walk.still > 0 || !tied(walk.row - 1)) return false;
  std::size_t first = walk.row - 1, last = walk.row;
  while (first > 0 && tied(first - 1)) --first;
  while (tied(last)) ++last;
  if (last >= a.spectrum.rows) return false;
  for (std::size_t i = first + 1; i <= last; ++i)
    if (ties.uneven[i * LANES + walk.lane] != 0) return false;
  const double after = last + 1 < walk.ne ? walk.value_of(last + 1) : 0;
  return (first == 0 || walk.value_of(first - 1) - walk.value_of(first) > gap) &&
         walk.value_of(last) - after > gap;
}

static void write_answer(const Solved& a, std::size_t l) {
  const PopulationBatch& batch = a.group.batch;
  const std::size_t problem = a.group.first + l;
  const double multiplicity = batch.parameters[COMPLEMENT_DIM * batch.count + problem];
  Walk walk{a.spectrum, l, a.problem.e.rows, multiplicity};
  write_rank(a, walk);
  double explained = 0;
  for (std::size_t i = 0; i < walk.ne; ++i)
    explained += walk.times(i) * (walk.lambda(i) > 0 ? walk.lambda(i) : 0);
  const bool noise = a.world.shape.noise, empty = a.spectrum.empty[l] != 0;
  const double trace = a.problem.trace[l] + multiplicity * a.problem.trace_complement[l];
  const double rest = a.problem.reconstructs || trace < explained ? 0 : trace - explained;
  const double gap = CLEAR_SHARE * walk.lambda(0);
  const mask doubtful = a.problem.given.uncertain | a.spectrum.careful | a.sums.careful;
  bool careful = doubtful[l] != 0, finite = true;
  std::size_t filled = 0;
  for (std::size_t m = 0; m < batch.latent_count; ++m) {
    const double value = take_latents(a, walk, static_cast<std::size_t>(batch.latents[m]), filled);
    const std::size_t out = problem * batch.latent_count + m;
    const double next = walk.next();
    const bool clear = !(value > 0) || value - next > gap, tied = !clear && ties_evenly(a, walk, gap);
    batch.next[out] = next;
    batch.unique[out] = !tied;
    const double loss = noise ? walk.tail(rest) : a.spectrum.remaining[walk.latents() * LANES + l];
    batch.loss[out] = loss;
    finite &= loss - loss == 0;
    careful |= !clear && !tied;
    careful |= noise && loss < CLEAR_SHARE * trace;
    write_metrics(a, walk, m, tied);
  }
  if (batch.encoder) {
    batch.complement_encoder[2 * problem] = a.encoder.complement_c[l];
    batch.complement_encoder[2 * problem + 1] = a.encoder.complement_d[l];
  }
  batch.status[problem] = !finite ? NON_FINITE : empty ? EMPTY_PROBLEM : OK;
  batch.careful[problem] = careful && finite && !empty;
}
