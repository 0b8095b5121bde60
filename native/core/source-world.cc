#include "core/source-world.h"

#include <algorithm>
#include <cmath>

namespace exo {

namespace {

void place(Rows& to, std::size_t begin, double factor, const double* block, std::size_t rows,
           std::size_t cols, std::size_t stride) {
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < cols; ++j) to[i][begin + j] += factor * block[i * stride + j];
}

void diagonal(Rows& to, std::size_t begin, double value) {
  for (std::size_t i = 0; i < to.rows; ++i) to[i][begin + i] += value;
}

Rows matrix_of(const double* stack, std::int32_t index, std::size_t rows, std::size_t cols) {
  Rows out(rows, cols);
  std::copy_n(stack + static_cast<std::size_t>(index) * rows * cols, rows * cols, out.v.data());
  return out;
}

template <class F>
void each_stack(const Objective& o, F f) {
  for (const Stack* s : {&o.y, &o.f, &o.e}) f(*s);
  for (std::int32_t p = 0; p < o.penalty_count; ++p) {
    f(o.penalties[p].of);
    f(o.penalties[p].given);
  }
}

template <class F>
bool mentions(const Objective& o, F is) {
  bool found = false;
  each_stack(o, [&](const Stack& s) {
    for (std::int32_t b = 0; b < s.count; ++b)
      for (std::int32_t t = 0; t < s.blocks[b].count; ++t) found |= is(s.blocks[b].terms[t].variable);
  });
  return found;
}

// Fresh sources for augmentation noise, one set for every width that it is added to.
void take_noise(Variables& v, const Objective& o) {
  each_stack(o, [&](const Stack& s) {
    for (std::int32_t b = 0; b < s.count; ++b)
      for (std::int32_t t = 0; t < s.blocks[b].count; ++t) {
        const std::int32_t variable = s.blocks[b].terms[t].variable;
        const std::size_t width = v.width(s.blocks[b]);
        const bool known = std::any_of(v.noise.begin(), v.noise.end(), [&](const NoiseSource& n) {
          return n.variable == variable && n.width == width;
        });
        if (!is_noise(variable) || known) continue;
        v.noise.push_back({variable, width, v.sources});
        v.sources += width;
      }
  });
}

Stack reaching(const Stack& s) {
  Stack out{};
  for (std::int32_t b = 0; b < s.count; ++b)
    if (!is_action(s.blocks[b]) && !s.blocks[b].projected) out.blocks[out.count++] = s.blocks[b];
  return out;
}

}  // namespace

std::size_t Variables::width(const Block& block) const {
  return is_action(block) ? action : block.projected ? projected : observation;
}

Rows Variables::compose(const Stack& stack, const double* coefficients) const {
  std::size_t total = 0;
  for (std::int32_t b = 0; b < stack.count; ++b) total += width(stack.blocks[b]);
  Rows out(total, sources);
  std::size_t begin = 0;
  for (std::int32_t b = 0; b < stack.count; ++b) {
    const Block& block = stack.blocks[b];
    Rows part(width(block), sources);
    for (std::int32_t t = 0; t < block.count; ++t) {
      const Term& term = block.terms[t];
      const double factor = term.sign * (term.coefficient < 0 ? 1 : coefficients[term.coefficient]);
      if (is_noise(term.variable)) {
        for (const NoiseSource& n : noise)
          if (n.variable == term.variable && n.width == part.rows) diagonal(part, n.begin, factor);
        continue;
      }
      const Rows& own = loadings[term.variable];
      add_scaled(part, factor, block.projected && !is_action(block) ? multiply(projection, own) : own);
    }
    std::copy(part.v.begin(), part.v.end(), out[begin]);
    begin += part.rows;
  }
  return out;
}

void Variables::add_maps(const Stack& stack, const Rows& weights, double sign, const double* coefficients,
                         Rows& c, Rows& d) const {
  std::size_t begin = 0;
  for (std::int32_t b = 0; b < stack.count; ++b) {
    const Block& block = stack.blocks[b];
    const std::size_t own = width(block);
    if (!is_action(block)) {
      Rows part(weights.rows, own);
      for (std::size_t i = 0; i < weights.rows; ++i) std::copy_n(weights[i] + begin, own, part[i]);
      if (block.projected) part = multiply(part, projection);
      for (std::int32_t t = 0; t < block.count; ++t) {
        const Term& term = block.terms[t];
        if (term.variable != OBSERVATION && term.variable != OBSERVATION_NEXT) continue;
        const double factor = sign * term.sign * (term.coefficient < 0 ? 1 : coefficients[term.coefficient]);
        add_scaled(term.variable == OBSERVATION ? c : d, factor, part);
      }
    }
    begin += own;
  }
}

SourceWorld source_world(const PopulationBatch& batch, std::size_t problem, const double* parameter) {
  const std::size_t q = batch.basis, ds = batch.endogenous, dx = batch.exogenous, da = batch.action;
  const std::int32_t m = batch.matrix_index[problem];
  const bool pair = mentions(
      batch.objective, [](std::int32_t v) { return v == PAIR_OBSERVATION || v == PAIR_OBSERVATION_NEXT; });
  SourceWorld w;
  w.parameter = parameter;
  Variables& v = w.variables;
  v.observation = q;
  v.action = da;
  v.projected = batch.projected;
  v.sources = 0;
  const auto take = [&](std::size_t n) { return (v.sources += n) - n; };
  const std::size_t s = take(ds), x = take(dx), u = take(da),
                    ws = take(parameter[PROCESS_NOISE] == 0 ? 0 : ds), wx = take(dx);
  const std::size_t x2 = take(pair ? dx : 0), w2 = take(pair ? dx : 0);
  const double eta = parameter[SENSOR_NOISE], initial = parameter[EXOGENOUS_INITIAL_SCALE];
  const std::size_t sensors = take(eta == 0 ? 0 : (pair ? 4 : 2) * q);
  w.exogenous = x;
  v.projection = matrix_of(batch.projection, m, batch.projected, q);
  take_noise(v, batch.objective);
  const std::size_t p = v.sources;

  Rows a(da, p);
  diagonal(a, u, parameter[POLICY_NOISE]);
  place(a, s, parameter[STATE_FEEDBACK], matrix_of(batch.state_feedback, m, da, ds).v.data(), da, ds, ds);
  place(a, x, initial * parameter[EXOGENOUS_FEEDBACK],
        matrix_of(batch.exogenous_feedback, m, da, dx).v.data(), da, dx, dx);
  Rows s_next = multiply(matrix_of(batch.action_effect, m, ds, da), a);
  for (double& value : s_next.v) value *= parameter[ACTION_SCALE];
  diagonal(s_next, s, parameter[ENDOGENOUS_DECAY]);
  if (parameter[PROCESS_NOISE] != 0) diagonal(s_next, ws, parameter[PROCESS_NOISE]);

  // w_x keeps unit variance: coordinate i < da shares part of u_i.
  Rows x_next(dx, p);
  const double kappa = parameter[EXOGENOUS_SCALE], decay = parameter[EXOGENOUS_DECAY];
  for (std::size_t i = 0; i < dx; ++i) {
    const double shared = i < da ? parameter[ACTION_EXOGENOUS_CORRELATION] : 0;
    x_next[i][x + i] = initial * decay;
    if (i < da) x_next[i][u + i] += kappa * shared;
    x_next[i][wx + i] = kappa * std::sqrt(1 - shared * shared);
  }
  const Rows mixing = matrix_of(batch.mixing, m, q, ds + dx);
  Rows es(q, ds), ex(q, dx);
  place(es, 0, 1, mixing.v.data(), q, ds, ds + dx);
  place(ex, 0, 1, mixing.v.data() + ds, q, dx, ds + dx);
  const auto observe = [&](std::size_t at, double scale) {
    Rows o(q, p);
    place(o, s, 1, es.v.data(), q, ds, ds);
    place(o, at, scale, ex.v.data(), q, dx, dx);
    return o;
  };
  v.loadings[ACTION] = a;
  v.loadings[OBSERVATION] = observe(x, initial);
  Rows next = multiply(es, s_next);
  if (pair) {
    // The pair's exogenous step is a redraw: independent of the action.
    Rows other = next;
    place(other, x2, initial * decay, ex.v.data(), q, dx, dx);
    place(other, w2, kappa, ex.v.data(), q, dx, dx);
    v.loadings[PAIR_OBSERVATION] = observe(x2, initial);
    v.loadings[PAIR_OBSERVATION_NEXT] = other;
  }
  add_scaled(next, 1, multiply(ex, x_next));
  v.loadings[OBSERVATION_NEXT] = next;
  for (std::size_t view = 0; eta != 0 && view < (pair ? 4u : 2u); ++view)
    diagonal(v.loadings[view], sensors + view * q, eta);
  w.exogenous_next = x_next;
  w.exogenous_mixing = ex;
  return w;
}

Objective complement_objective(const Objective& o) {
  Objective out = o;
  out.y = reaching(o.y);
  out.f = reaching(o.f);
  out.e = reaching(o.e);
  for (std::int32_t p = 0; p < o.penalty_count; ++p) {
    out.penalties[p].of = reaching(o.penalties[p].of);
    out.penalties[p].given = reaching(o.penalties[p].given);
  }
  return out;
}

Variables complement_variables(const Objective& objective, double sensor_noise) {
  Variables v;
  v.observation = 1;
  v.action = v.projected = 0;
  v.sources = 4;
  v.projection = Rows(0, 1);
  take_noise(v, objective);
  for (std::size_t view = 0; view < 4; ++view) {
    v.loadings[view] = Rows(1, v.sources);
    v.loadings[view][0][view] = sensor_noise;
  }
  return v;
}

}  // namespace exo
