// A world as loadings on its independent sources, one world per lane (docs/theory.md). Shapes: q basis
// coordinates (+ 1 that stands for the complement, where it can hold noise), ds, dx, da; pd dense sources;
// ny, nf, ne rows of the stacks y, f, e. Matrices are interleaved: (rows, cols, LANES).
//
// A variable is V e with e ~ N(0, I). Its loadings on the dense sources [s x | u | w_x | w_s | x2 w_x2] are
// stored, as far to the right as it has any; sensor and augmentation noise is isotropic and independent, so
// six scalars per block stand for its loadings.
#pragma once
#include "kernels/lanes/gemm-inl.h"

constexpr std::size_t NOISE_GROUPS = 6;  // sensor noise of o, o', o2, o2'; n1; n2
constexpr std::size_t SENSOR_GROUPS = 4;

struct Arena {
  double* next;
  double* take(std::size_t rows, std::size_t cols) {
    double* p = next;
    next += rows * cols * LANES;
    return p;
  }
};

struct WorldShape {
  std::size_t q, qe, ds, dx, da, projected, pd;
  std::size_t at_u, at_wx, at_ws, at_x2, at_w2;
  bool pair, noise, process, feedback;
};

struct World {
  WorldShape shape;
  double* variable[VARIABLE_COUNT];  // dense loadings (rows, cols), null where absent or pure noise
  std::size_t cols[VARIABLE_COUNT], from[VARIABLE_COUNT];  // loadings fill the columns [from, cols)
  double* exogenous_next;                                  // (dx, at_ws)
  double* exogenous_mixing;                                // (qe, dx)
  double* projection;                                      // (projected, qe)
  double* projection_gram;                                 // (projected, projected)
  vec sensor, one;
};

inline vec at(const double* a, std::size_t index) { return load(a + index * LANES); }
inline void put(double* a, std::size_t index, vec v) { store(a + index * LANES, v); }
inline void clear_lanes(double* a, std::size_t count) { memset(a, 0, count * LANES * sizeof(double)); }
inline bool is_observation(std::int32_t variable) { return variable <= PAIR_OBSERVATION_NEXT; }

static bool mentions_pair(const Stack& s) {
  for (std::int32_t b = 0; b < s.count; ++b)
    for (std::int32_t t = 0; t < s.blocks[b].count; ++t) {
      const std::int32_t v = s.blocks[b].terms[t].variable;
      if (v == PAIR_OBSERVATION || v == PAIR_OBSERVATION_NEXT) return true;
    }
  return false;
}

static bool mentions_augmentation(const Stack& s) {
  for (std::int32_t b = 0; b < s.count; ++b)
    for (std::int32_t t = 0; t < s.blocks[b].count; ++t)
      if (s.blocks[b].terms[t].variable >= ENCODER_NOISE) return true;
  return false;
}

static WorldShape world_shape(const PopulationBatch& batch) {
  WorldShape s;
  s.q = batch.basis;
  s.ds = batch.endogenous;
  s.dx = batch.exogenous;
  s.da = batch.action;
  s.projected = batch.projected;
  s.pair = batch.objective.penalty_count > 0 || mentions_pair(batch.objective.y) ||
           mentions_pair(batch.objective.f);
  s.noise = mentions_augmentation(batch.objective.y) || mentions_augmentation(batch.objective.f) ||
            mentions_augmentation(batch.objective.e);
  s.noise |= batch.sensor_noise;
  s.process = batch.process_noise;
  s.feedback = batch.feedback;
  s.qe = s.q + (s.noise ? 1 : 0);
  s.at_u = s.ds + s.dx;
  s.at_wx = s.at_u + s.da;
  s.at_ws = s.at_wx + s.dx;
  s.at_x2 = s.at_ws + (s.process ? s.ds : 0);
  s.at_w2 = s.at_x2 + (s.pair ? s.dx : 0);
  s.pd = s.at_w2 + (s.pair ? s.dx : 0);
  return s;
}

static std::size_t stack_rows(const WorldShape& s, const Stack& stack) {
  std::size_t rows = 0;
  for (std::int32_t b = 0; b < stack.count; ++b) {
    const bool action = stack.blocks[b].terms[0].variable == ACTION;
    rows += action ? s.da : stack.blocks[b].projected ? s.projected : s.qe;
  }
  return rows;
}

// Gathers one value per lane; lanes beyond the count repeat the last problem.
template <class F>
inline vec gather(std::size_t first, std::size_t count, F value) {
  double v[LANES];
  for (std::size_t l = 0; l < LANES; ++l) v[l] = value(first + (l < count ? l : count - 1));
  return load(v);
}

// (rows, cols) of a stack of matrices that each problem picks by matrix_index; rows beyond `rows` of the
// target are zero.
static double* gather_matrix(const PopulationBatch& batch, std::size_t first, std::size_t count,
                             const double* stack, std::size_t rows, std::size_t cols, std::size_t padded_rows,
                             std::size_t padded_cols, Arena& arena) {
  double* out = arena.take(padded_rows, padded_cols);
  if (padded_rows != rows || padded_cols != cols) clear_lanes(out, padded_rows * padded_cols);
  const std::int32_t common = batch.matrix_index[first];
  bool shared = true;
  for (std::size_t l = 1; l < count; ++l) shared &= batch.matrix_index[first + l] == common;
  if (shared) {
    const double* from = stack + static_cast<std::size_t>(common) * rows * cols;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < cols; ++j) put(out, i * padded_cols + j, splat(from[i * cols + j]));
    return out;
  }
  for (std::size_t l = 0; l < LANES; ++l) {
    const std::size_t problem = first + (l < count ? l : count - 1);
    const double* from = stack + static_cast<std::size_t>(batch.matrix_index[problem]) * rows * cols;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < cols; ++j) out[(i * padded_cols + j) * LANES + l] = from[i * cols + j];
  }
  return out;
}

// Dense loadings of every variable that the objective or the metrics need: theory.md section 1.
static World build_world(const PopulationBatch& batch, std::size_t first, std::size_t count,
                         const WorldShape& s, Arena& arena) {
  World w;
  w.shape = s;
  const auto parameter = [&](Parameter p) {
    const double* column = batch.parameters + static_cast<std::size_t>(p) * batch.count;
    return gather(first, count, [&](std::size_t i) { return column[i]; });
  };
  const vec rho_s = parameter(ENDOGENOUS_DECAY), rho_x = parameter(EXOGENOUS_DECAY);
  const vec action_scale = parameter(ACTION_SCALE), exogenous_scale = parameter(EXOGENOUS_SCALE);
  const vec policy = parameter(POLICY_NOISE), process = parameter(PROCESS_NOISE);
  const vec feedback_s = parameter(STATE_FEEDBACK), feedback_x = parameter(EXOGENOUS_FEEDBACK);
  const vec share = parameter(ACTION_EXOGENOUS_CORRELATION);
  w.sensor = parameter(SENSOR_NOISE);
  w.one = splat(1);

  const std::size_t qs = s.ds + s.dx;
  const double* mixing = gather_matrix(batch, first, count, batch.mixing, s.q, qs, s.qe, qs, arena);
  const double* effect =
      gather_matrix(batch, first, count, batch.action_effect, s.ds, s.da, s.ds, s.da, arena);
  const double* gain_s =
      gather_matrix(batch, first, count, batch.state_feedback, s.da, s.ds, s.da, s.ds, arena);
  const double* gain_x =
      gather_matrix(batch, first, count, batch.exogenous_feedback, s.da, s.dx, s.da, s.dx, arena);
  w.projection = s.projected ? gather_matrix(batch, first, count, batch.projection, s.projected, s.q,
                                             s.projected, s.qe, arena)
                             : nullptr;
  w.projection_gram = nullptr;
  if (s.projected) {
    w.projection_gram = arena.take(s.projected, s.projected);
    gemm_nt_lanes(w.projection_gram, w.projection, w.projection, s.projected, s.projected, s.qe, false);
  }

  const std::size_t acts = s.at_wx;  // columns that a reaches
  double* a = arena.take(s.da, acts);
  clear_lanes(a, s.da * acts);
  for (std::size_t i = 0; i < s.da; ++i) {
    for (std::size_t j = 0; j < s.ds; ++j) put(a, i * acts + j, feedback_s * at(gain_s, i * s.ds + j));
    for (std::size_t j = 0; j < s.dx; ++j) put(a, i * acts + s.ds + j, feedback_x * at(gain_x, i * s.dx + j));
    put(a, i * acts + s.at_u + i, policy);
  }

  // x' = rho_x x + exogenousScale w_x; coordinate i < da of w_x shares part of u_i and keeps unit variance.
  double* x_next = arena.take(s.dx, s.at_ws);
  clear_lanes(x_next, s.dx * s.at_ws);
  for (std::size_t i = 0; i < s.dx; ++i) {
    const vec shared = i < s.da ? share : splat(0);
    put(x_next, i * s.at_ws + s.ds + i, rho_x);
    if (i < s.da) put(x_next, i * s.at_ws + s.at_u + i, exogenous_scale * shared);
    put(x_next, i * s.at_ws + s.at_wx + i, exogenous_scale * sqrt(splat(1) - shared * shared));
  }

  // How an action shows in o', (qe,da).
  double* shows = arena.take(s.qe, s.da);
  for (std::size_t i = 0; i < s.qe; ++i)
    for (std::size_t j = 0; j < s.da; ++j) {
      vec v = splat(0);
      for (std::size_t k = 0; k < s.ds; ++k) v = fma(at(mixing, i * qs + k), at(effect, k * s.da + j), v);
      put(shows, i * s.da + j, action_scale * v);
    }
  // o' of the transition, or of its pair: the same s', a fresh x'.
  const auto observe_next = [&](bool pair) {
    const std::size_t cols = pair ? s.pd : s.at_x2;
    double* o = arena.take(s.qe, cols);
    clear_lanes(o, s.qe * cols);
    for (std::size_t i = 0; i < s.qe; ++i) {
      double* row = o + i * cols * LANES;
      if (s.feedback)
        for (std::size_t j = 0; j < qs; ++j) {
          vec v = splat(0);
          for (std::size_t k = 0; k < s.da; ++k) v = fma(at(shows, i * s.da + k), at(a, k * acts + j), v);
          put(row, j, v);
        }
      for (std::size_t j = 0; j < s.da; ++j) put(row, s.at_u + j, policy * at(shows, i * s.da + j));
      for (std::size_t j = 0; j < s.ds; ++j) {
        const vec m = at(mixing, i * qs + j);
        put(row, j, fma(rho_s, m, at(row, j)));
        if (s.process) put(row, s.at_ws + j, process * m);
      }
      for (std::size_t j = 0; j < s.dx; ++j) {
        const vec m = at(mixing, i * qs + s.ds + j);
        if (pair) {
          put(row, s.at_x2 + j, rho_x * m);
          put(row, s.at_w2 + j, exogenous_scale * m);
          continue;
        }
        put(row, s.ds + j, fma(rho_x, m, at(row, s.ds + j)));
        if (j < s.da) put(row, s.at_u + j, fma(at(x_next, j * s.at_ws + s.at_u + j), m, at(row, s.at_u + j)));
        put(row, s.at_wx + j, at(x_next, j * s.at_ws + s.at_wx + j) * m);
      }
    }
    return o;
  };
  for (double*& v : w.variable) v = nullptr;
  for (std::size_t& c : w.cols) c = 0;
  for (std::size_t& c : w.from) c = 0;
  const auto have = [&](Variable v, double* loadings, std::size_t cols) {
    w.variable[v] = loadings;
    w.cols[v] = cols;
  };
  w.exogenous_next = x_next;
  have(OBSERVATION, const_cast<double*>(mixing), qs);
  have(OBSERVATION_NEXT, observe_next(false), s.at_x2);
  have(ACTION, a, acts);
  w.from[ACTION] = s.feedback ? 0 : s.at_u;
  if (s.pair) {
    const std::size_t cols = s.at_x2 + s.dx;
    double* o = arena.take(s.qe, cols);
    clear_lanes(o, s.qe * cols);
    for (std::size_t i = 0; i < s.qe; ++i) {
      for (std::size_t j = 0; j < s.ds; ++j) put(o, i * cols + j, at(mixing, i * qs + j));
      for (std::size_t j = 0; j < s.dx; ++j) put(o, i * cols + s.at_x2 + j, at(mixing, i * qs + s.ds + j));
    }
    have(PAIR_OBSERVATION, o, cols);
    have(PAIR_OBSERVATION_NEXT, observe_next(true), s.pd);
  }
  w.exogenous_mixing = arena.take(s.qe, s.dx);
  for (std::size_t i = 0; i < s.qe; ++i)
    for (std::size_t j = 0; j < s.dx; ++j)
      put(w.exogenous_mixing, i * s.dx + j, at(mixing, i * qs + s.ds + j));
  return w;
}
