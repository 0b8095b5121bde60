// The population path, one world per lane: parameters in, loss, spectrum, metrics and encoders out
// (docs/theory.md).
#pragma once
#include "kernels/population/probes-inl.h"

constexpr double VOID_VARIANCE =
    1e-18;  // conditional over total variance below which nothing is left to explain
constexpr double EXACT_SHARE = 1e-10;  // of the observation's variance: worth a look whether it is nothing

static void population(const PopulationBatch& batch, std::size_t first, std::size_t count, double* scratch) {
  Arena arena{scratch};
  const WorldShape s = world_shape(batch);
  const World w = build_world(batch, first, count, s, arena);
  const Coefficients coefficient{batch, first, count};
  const vec tolerance = splat(batch.tolerance);
  const Objective& objective = batch.objective;

  // ---- the problem: y and e given f
  // ------------------------------------------------------------------------------
  const Rows f = compose(w, objective.f, coefficient, arena);
  const Rows e = compose(w, objective.e, coefficient, arena);
  const Rows y = compose(w, objective.y, coefficient, arena);
  const bool reconstructs = objective.penalty_count == 0 && same_stack(objective.y, objective.e);
  const Given given = condition_on(w, f, tolerance, arena);
  const Residual re = residual(w, given, e, arena);
  const Residual ry = reconstructs ? re : residual(w, given, y, arena);
  double* s_ee = residual_covariance(w, given, re, re, arena);
  double* s_ye = reconstructs ? s_ee : residual_covariance(w, given, ry, re, arena);
  const std::size_t ne = e.rows, ny = y.rows;

  // Traces apart: the complement's coordinate, the last of every unprojected observation block, has a
  // multiplicity.
  vec trace = splat(0), trace_complement = splat(0);
  {
    Arena local = arena;
    const double* s_yy = reconstructs ? s_ee : residual_covariance(w, given, ry, ry, local);
    for (std::int32_t b = 0; b < y.blocks; ++b)
      for (std::size_t i = 0; i < y.width[b]; ++i) {
        const vec v = at(s_yy, (y.begin[b] + i) * ny + y.begin[b] + i);
        const bool complement = s.noise && y.observed[b] && !y.through[b] && i + 1 == y.width[b];
        if (complement)
          trace_complement += v;
        else
          trace += v;
      }
  }

  // ---- eigenvalues of M and G
  // ----------------------------------------------------------------------------------------
  double* lambda = arena.take(ne, 1);
  double* g = arena.take(ne, ne);  // row i: the i-th latent's weights on e
  {
    Arena local = arena;
    double* u = local.take(ne, ne);
    memcpy(u, s_ee, ne * ne * LANES * sizeof(double));
    for (std::int32_t p = 0; p < objective.penalty_count; ++p) {
      const Penalty& penalty = objective.penalties[p];
      Arena inner = local;
      const Rows on = compose(w, penalty.given, coefficient, inner);
      const Rows of = compose(w, penalty.of, coefficient, inner);
      const Given on_given = condition_on(w, on, tolerance, inner);
      const Residual r = residual(w, on_given, of, inner);
      const double* cov = residual_covariance(w, on_given, r, r, inner);
      const vec weight = coefficient(penalty.weight);
      for (std::size_t i = 0; i < ne * ne; ++i) put(u, i, fma(weight, at(cov, i), at(u, i)));
    }
    if (reconstructs) {
      eigen_lanes(u, lambda, ne, local.next);
      memcpy(g, u, ne * ne * LANES * sizeof(double));
    } else {
      // Whitened coordinates: N = S_ye W^T with W^T W = (S_ee + P)^+, and M = N N^T has the eigenvalues of
      // N^T N. The complement's coordinates, one in every unprojected observation block, are coupled to each
      // other alone. With them last, nothing mixes them with the rest, not even rounding where eigenvalues
      // are equal.
      const auto has_complement = [&](std::int32_t b) { return s.noise && e.observed[b] && !e.through[b]; };
      const auto coordinate = [&](std::size_t i) {
        for (std::int32_t b = 0; b < e.blocks; ++b) {
          const std::size_t inside = e.width[b] - (has_complement(b) ? 1 : 0);
          if (i < inside) return e.begin[b] + i;
          i -= inside;
        }
        std::int32_t b = 0;
        for (;; ++b)
          if (has_complement(b) && i-- == 0) return e.begin[b] + e.width[b] - 1;
      };
      double *w_rows = local.take(ne, ne), *target = local.take(ny, ne);
      for (std::size_t j = 0; j < ne; ++j) {
        const std::size_t from = coordinate(j);
        for (std::size_t i = 0; i < ne; ++i) put(w_rows, i * ne + j, at(u, coordinate(i) * ne + from));
        for (std::size_t i = 0; i < ny; ++i) put(target, i * ne + j, at(s_ye, i * ne + from));
      }
      whitening_rows(w_rows, ne, tolerance, local);
      double* n = local.take(ny, ne);
      gemm_nt_lanes(n, target, w_rows, ny, ne, ne, false);
      double* t = local.take(ne, ne);
      gemm_tn_lanes(t, n, n, ne, ne, ny, false);
      eigen_lanes(t, lambda, ne, local.next);
      for (std::size_t i = 0; i < ne; ++i) {
        const vec root = sqrt(max(at(lambda, i), splat(0)));
        for (std::size_t j = 0; j < ne; ++j) put(t, i * ne + j, root * at(t, i * ne + j));
      }
      gemm_nn_lanes(u, t, w_rows, ne, ne, ne, false);
      for (std::size_t j = 0; j < ne; ++j)
        for (std::size_t i = 0; i < ne; ++i) put(g, i * ne + coordinate(j), at(u, i * ne + j));
    }
  }

  // ---- which rows are the latents: the complement's one row stands for `multiplicity` of them
  // -------------------------
  const std::size_t k_max = batch.max_latent(), wanted = k_max + (s.noise ? 1 : 0);
  const std::size_t rows =
      wanted < ne ? wanted : ne;  // one more: the complement's row counts for nothing without one
  // Where the leading eigenvalue is the rounding of nothing there are no latents. The target's variance is
  // looked at where the eigenvalue is small beside the observation's, which is at hand.
  vec observation_total = splat(0);
  for (std::size_t i = 0; i < s.qe * w.cols[OBSERVATION]; ++i)
    observation_total =
        fma(at(w.variable[OBSERVATION], i), at(w.variable[OBSERVATION], i), observation_total);
  mask empty = ~(mask)(at(lambda, 0) > splat(EXACT_SHARE) * observation_total);
  if (any(empty)) {
    const double* column = batch.parameters + COMPLEMENT_DIM * batch.count;
    const vec multiplicity = gather(first, count, [&](std::size_t i) { return column[i]; });
    empty &= ~(mask)(at(lambda, 0) > splat(VOID_VARIANCE) * variance_of(w, y, multiplicity, arena));
  }
  const vec rank_cut = select(empty, splat(__builtin_inf()), tolerance * max(at(lambda, 0), splat(0)));
  double* kept = arena.take(ne, 1);  // 1 where the row is a latent of the reduced basis within the rank
  double* is_complement = arena.take(ne, 1);
  for (std::size_t i = 0; i < ne; ++i) {
    vec inside = splat(0), outside = splat(0);
    for (std::int32_t b = 0; b < e.blocks; ++b)
      for (std::size_t j = 0; j < e.width[b]; ++j) {
        const vec v = abs(at(g, i * ne + e.begin[b] + j));
        if (s.noise && e.observed[b] && !e.through[b] && j + 1 == e.width[b])
          outside += v;
        else
          inside += v;
      }
    const mask in_rank = (mask)(at(lambda, i) > rank_cut);
    const mask complement = (mask)(outside > inside);
    put(is_complement, i, select(complement & in_rank, splat(1), splat(0)));
    put(kept, i, select(~complement & in_rank, splat(1), splat(0)));
  }
  double* complement_c = arena.take(1, 1);  // z = c n_o + d n_o' on a coordinate of the complement
  double* complement_d = arena.take(1, 1);
  store(complement_c, splat(0));
  store(complement_d, splat(0));

  // ---- the encoder z = C o + D o' in the reduced basis
  // -------------------------------------------------------------------
  double* c = arena.take(rows, s.qe);
  double* d = arena.take(rows, s.qe);
  clear_lanes(c, rows * s.qe);
  clear_lanes(d, rows * s.qe);
  const auto add_block = [&](const Rows& stack, const Stack& of, std::int32_t b, const double* weights,
                             vec sign) {
    // weights (rows, stack.rows) applied to the observations in block b
    Arena local = arena;
    double* part = local.take(rows, s.qe);
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < s.qe; ++j) {
        vec v = splat(0);
        if (!stack.through[b])
          v = at(weights, i * stack.rows + stack.begin[b] + j);
        else
          for (std::size_t m = 0; m < s.projected; ++m)
            v = fma(at(weights, i * stack.rows + stack.begin[b] + m), at(w.projection, m * s.qe + j), v);
        put(part, i * s.qe + j, v);
      }
    for (std::int32_t t = 0; t < of.blocks[b].count; ++t) {
      const Term& term = of.blocks[b].terms[t];
      if (term.variable > OBSERVATION_NEXT) continue;
      double* target = term.variable == OBSERVATION ? c : d;
      const vec factor = sign * coefficient(term.coefficient) * splat(term.sign);
      for (std::size_t i = 0; i < rows * s.qe; ++i) put(target, i, fma(factor, at(part, i), at(target, i)));
    }
  };
  for (std::int32_t b = 0; b < e.blocks; ++b) add_block(e, objective.e, b, g, splat(1));
  if (objective.innovation && f.rows) {
    Arena local = arena;
    double* regression = local.take(rows, f.rows);
    gemm_nt_lanes(regression, g, re.gamma, rows, f.rows, ne, false);
    for (std::int32_t b = 0; b < f.blocks; ++b) {
      Arena saved = arena;
      arena = local;
      add_block(f, objective.f, b, regression, splat(-1));
      arena = saved;
    }
  }
  for (std::size_t i = 0; i < rows; ++i) {
    if (s.noise) {
      const mask complement = (mask)(at(is_complement, i) > splat(0.5));
      store(complement_c, select(complement, at(c, i * s.qe + s.q), load(complement_c)));
      store(complement_d, select(complement, at(d, i * s.qe + s.q), load(complement_d)));
    }
    const mask in = (mask)(at(kept, i) > splat(0.5));
    for (std::size_t j = 0; j < s.qe; ++j) {
      const bool reduced = j < s.q;
      put(c, i * s.qe + j, reduced ? select(in, at(c, i * s.qe + j), splat(0)) : splat(0));
      put(d, i * s.qe + j, reduced ? select(in, at(d, i * s.qe + j), splat(0)) : splat(0));
    }
  }

  // ---- metrics: everything given the full observation
  // ------------------------------------------------------------------
  const Stack now = plain(OBSERVATION), next = plain(OBSERVATION_NEXT), acts = plain(ACTION);
  const bool given_observation = same_stack(objective.f, now);
  const Rows o = given_observation ? f : compose(w, now, coefficient, arena);
  const Given on_o = given_observation ? given : condition_on(w, o, tolerance, arena);
  const bool e_is_next = given_observation && same_stack(objective.e, next);
  const Rows on = e_is_next ? e : compose(w, next, coefficient, arena);
  const Rows a = compose(w, acts, coefficient, arena);
  const Rows x = exogenous_next_rows(w, arena);
  const Residual r_on = e_is_next ? re : residual(w, on_o, on, arena);
  const Residual r_a = residual(w, on_o, a, arena), r_x = residual(w, on_o, x, arena);
  const double* s_rr = e_is_next ? s_ee : residual_covariance(w, on_o, r_on, r_on, arena);
  const double* s_ra = residual_covariance(w, on_o, r_on, r_a, arena);
  const double* s_rx = residual_covariance(w, on_o, r_on, r_x, arena);
  double* s_aa = residual_covariance(w, on_o, r_a, r_a, arena);
  double* s_xx = residual_covariance(w, on_o, r_x, r_x, arena);

  double* s_zz = arena.take(rows, rows);
  if (reconstructs && e_is_next && objective.innovation && !s.noise) {
    // Latents that are principal components of the innovation.
    clear_lanes(s_zz, rows * rows);
    for (std::size_t i = 0; i < rows; ++i) put(s_zz, i * rows + i, at(kept, i) * at(lambda, i));
  } else {
    double* dr = arena.take(rows, s.qe);
    gemm_nn_lanes(dr, d, s_rr, rows, s.qe, s.qe, false);
    gemm_nt_lanes(s_zz, dr, d, rows, rows, s.qe, false);
  }
  double* s_za = arena.take(rows, s.da);
  gemm_nn_lanes(s_za, d, s_ra, rows, s.da, s.qe, false);
  double* s_zx = arena.take(rows, s.dx);
  gemm_nn_lanes(s_zx, d, s_rx, rows, s.dx, s.qe, false);

  // The gauge part z = H o + D r, H = C + D Gamma; zero in the innovation gauge of an objective that is given
  // o.
  const bool gauged = !(objective.innovation && given_observation);
  double *raw_zz = s_zz, *raw_za = s_za, *raw_zx = s_zx, *raw_zo = nullptr;
  if (gauged) {
    const auto copy = [&](const double* from, std::size_t cols) {
      double* to = arena.take(rows, cols);
      memcpy(to, from, rows * cols * LANES * sizeof(double));
      return to;
    };
    double* h = arena.take(rows, s.qe);
    gemm_nt_lanes(h, d, r_on.gamma, rows, s.qe, s.qe, false);
    for (std::size_t i = 0; i < rows * s.qe; ++i) put(h, i, at(h, i) + at(c, i));
    const double* s_oo = covariance(w, o, o, arena);
    raw_zo = arena.take(rows, s.qe);
    gemm_nn_lanes(raw_zo, h, s_oo, rows, s.qe, s.qe, false);
    raw_zz = copy(s_zz, rows);
    gemm_nt_lanes(raw_zz, raw_zo, h, rows, rows, s.qe, true);
    raw_za = copy(s_za, s.da);
    gemm_nn_lanes(raw_za, h, covariance(w, o, a, arena), rows, s.da, s.qe, true);
    raw_zx = copy(s_zx, s.dx);
    gemm_nn_lanes(raw_zx, h, covariance(w, o, x, arena), rows, s.dx, s.qe, true);
  }
  // A latent that o determines leaves rounding, which is not to be taken for a signal.
  for (std::size_t i = 0; gauged && i < rows; ++i) {
    const mask left = (mask)(at(s_zz, i * rows + i) > splat(VOID_VARIANCE) * at(raw_zz, i * rows + i));
    if (all(left)) continue;
    const auto keep = [&](double* a, std::size_t index) {
      put(a, index, select(left, at(a, index), splat(0)));
    };
    for (std::size_t j = 0; j < rows; ++j) {
      keep(s_zz, i * rows + j);
      if (j != i) keep(s_zz, j * rows + i);
    }
    for (std::size_t j = 0; j < s.da; ++j) keep(s_za, i * s.da + j);
    for (std::size_t j = 0; j < s.dx; ++j) keep(s_zx, i * s.dx + j);
  }
  const Latents z = latents_of(s_zz, rows, tolerance, arena);
  const Seen z_a = see(z, s_za, s.da, arena), z_x = see(z, s_zx, s.dx, arena);
  const Latents raw = gauged ? latents_of(raw_zz, rows, tolerance, arena) : z;
  const Seen raw_a = gauged ? see(raw, raw_za, s.da, arena) : z_a,
             raw_x = gauged ? see(raw, raw_zx, s.dx, arena) : z_x;
  const Seen raw_o = gauged ? see(raw, raw_zo, s.qe, arena) : z_a;

  // Redrawing (x, w_x) moves z by (C + rho_x D) Ex dx + exogenousScale D Ex dw.
  double* moved = arena.take(rows, 1);
  {
    Arena local = arena;
    double* cx = local.take(rows, s.dx);
    double* dxx = local.take(rows, s.dx);
    gemm_nn_lanes(cx, c, w.exogenous_mixing, rows, s.dx, s.qe, false);
    gemm_nn_lanes(dxx, d, w.exogenous_mixing, rows, s.dx, s.qe, false);
    const double* decay_column = batch.parameters + EXOGENOUS_DECAY * batch.count;
    const double* scale_column = batch.parameters + EXOGENOUS_SCALE * batch.count;
    const vec decay = gather(first, count, [&](std::size_t i) { return decay_column[i]; });
    const vec scale = gather(first, count, [&](std::size_t i) { return scale_column[i]; });
    for (std::size_t i = 0; i < rows; ++i) {
      vec sum = splat(0);
      for (std::size_t j = 0; j < s.dx; ++j) {
        const vec gx = fma(decay, at(dxx, i * s.dx + j), at(cx, i * s.dx + j)),
                  gw = scale * at(dxx, i * s.dx + j);
        sum = fma(gx, gx, fma(gw, gw, sum));
      }
      put(moved, i, sum);
    }
  }

  const vec action_left = trace_lanes(s_aa, s.da, s.da), exogenous_left = trace_lanes(s_xx, s.dx, s.dx);
  vec action_total = splat(0), exogenous_total = splat(0);
  for (std::size_t i = 0; i < s.da * a.cols; ++i)
    action_total = fma(at(a.dense, i), at(a.dense, i), action_total);
  for (std::size_t i = 0; i < s.dx * x.cols; ++i)
    exogenous_total = fma(at(x.dense, i), at(x.dense, i), exogenous_total);

  // How many rows each latent dimension takes: the complement's row stands for `multiplicity` latents.
  double* prefix = arena.take(batch.latent_count, 1);
  for (std::size_t l = 0; l < LANES; ++l) {
    const std::size_t problem = first + (l < count ? l : count - 1);
    const double multiplicity = batch.parameters[COMPLEMENT_DIM * batch.count + problem];
    std::size_t row = 0;
    double filled = 0;
    for (std::size_t m = 0; m < batch.latent_count; ++m) {
      const double k = static_cast<double>(batch.latents[m]);
      for (; row < rows; ++row) {
        const double stands_for = is_complement[row * LANES + l] != 0 ? multiplicity : 1;
        if (filled + stands_for > k) break;
        filled += stands_for;
      }
      prefix[m * LANES + l] = static_cast<double>(row);
    }
  }
  // What each prefix of the latents explains: (latents), by action, by x', raw by a, x', o, and information
  // in nats.
  const std::size_t many = batch.latent_count;
  double* by_action = arena.take(many, 1);
  double* by_exogenous = arena.take(many, 1);
  double* raw_by_action = arena.take(many, 1);
  double* raw_by_exogenous = arena.take(many, 1);
  double* raw_by_observation = arena.take(many, 1);
  double* action_information = arena.take(many, 1);
  double* future_information = arena.take(many, 1);
  const Target action_target = target_of(s_aa, s.da, tolerance, arena);
  const Target future_target = target_of(s_xx, s.dx, tolerance, arena);
  for (std::size_t m = 0; m < many; ++m) {
    Arena local = arena;
    const std::size_t widest = s.qe + s.da + s.dx;
    double* gram = local.take(widest, widest);
    const vec until = at(prefix, m);
    const auto trace_of = [&](const Latents& latents, const Seen& target) {
      explained(latents, target, until, gram, local);
      return trace_lanes(gram, target.n, target.n);
    };
    if (gauged) {
      put(raw_by_action, m, trace_of(raw, raw_a));
      put(raw_by_exogenous, m, trace_of(raw, raw_x));
      put(raw_by_observation, m, trace_of(raw, raw_o));
    }
    put(by_action, m, trace_of(z, z_a));
    put(action_information, m, information(action_target, gram, local));
    put(by_exogenous, m, trace_of(z, z_x));
    put(future_information, m, information(future_target, gram, local));
    if (!gauged) {
      put(raw_by_action, m, at(by_action, m));
      put(raw_by_exogenous, m, at(by_exogenous, m));
      put(raw_by_observation, m, splat(0));
    }
  }

  // ---- one lane at a time: prefixes, multiplicities, outputs
  // ------------------------------------------------------------
  const std::size_t metric_stride = batch.count * batch.latent_count;
  for (std::size_t l = 0; l < count; ++l) {
    const std::size_t problem = first + l;
    const double eta = w.sensor[l];
    const double multiplicity = batch.parameters[COMPLEMENT_DIM * batch.count + problem];
    const double cc = complement_c[l], cd = complement_d[l];
    const double complement_variance = eta * eta * (cc * cc + cd * cd);
    const double complement_seen = cc == 0 ? 0 : eta * eta * cc * cc / (cc * cc + cd * cd);
    const double loss_before = trace[l] + multiplicity * trace_complement[l];
    const double o_total = observation_total[l] + eta * eta * (static_cast<double>(s.q) + multiplicity);
    const bool action_void = !(action_left[l] > VOID_VARIANCE * action_total[l]);
    const bool exogenous_void = !(exogenous_left[l] > VOID_VARIANCE * exogenous_total[l]);

    // The spectrum with the complement's multiplicity, and which row each of its entries comes from.
    double* spectrum = batch.spectrum + problem * k_max;
    std::uint8_t* picks = batch.complement + problem * k_max;
    double rank = 0;
    for (std::size_t i = 0; i < ne; ++i) {
      if (kept[i * LANES + l] != 0) rank += 1;
      if (is_complement[i * LANES + l] != 0) rank += multiplicity;
    }
    batch.rank[problem] = static_cast<std::int32_t>(rank);
    double taken = 0, moved_sum = 0, variance = 0;
    double picked = 0;  // complement picks so far
    double still = 0;   // picks left of the complement row at hand
    std::size_t row = 0, filled = 0;
    for (std::size_t m = 0; m < batch.latent_count; ++m) {
      const std::size_t k = static_cast<std::size_t>(batch.latents[m]);
      while (filled < k) {
        if (still > 0) {
          spectrum[filled] = lambda[(row - 1) * LANES + l];
          taken += spectrum[filled];
          picks[filled++] = 1;
          picked += 1;
          still -= 1;
          continue;
        }
        if (row >= rows) {
          spectrum[filled] = 0;
          picks[filled++] = 0;
          continue;
        }
        const std::size_t i = row++;
        if (is_complement[i * LANES + l] != 0) {
          still = multiplicity;
          continue;
        }
        const double value = lambda[i * LANES + l];
        spectrum[filled] = kept[i * LANES + l] != 0 ? value : 0;  // beyond the rank: rounding
        picks[filled] = 0;
        taken += spectrum[filled];
        const std::size_t at_row = filled++;
        if (kept[i * LANES + l] == 0) continue;
        variance += raw_zz[(i * rows + i) * LANES + l];
        moved_sum += moved[i * LANES + l];
        if (batch.encoder) {
          double largest = 0, sign = 1;
          for (std::size_t j = 0; j < ne; ++j) {
            const double v = g[(i * ne + j) * LANES + l];
            if (__builtin_fabs(v) > largest * (1 + 1e-9)) {
              largest = __builtin_fabs(v);
              sign = v < 0 ? -1 : 1;
            }
          }
          for (std::size_t j = 0; j < s.q; ++j) {
            batch.encoder_c[(problem * k_max + at_row) * s.q + j] = sign * c[(i * s.qe + j) * LANES + l];
            batch.encoder_d[(problem * k_max + at_row) * s.q + j] = sign * d[(i * s.qe + j) * LANES + l];
          }
        }
      }
      const std::size_t out = problem * batch.latent_count + m;
      const auto metric = [&](PopulationMetric which, double value) {
        batch.metrics[static_cast<std::size_t>(which) * metric_stride + out] = value;
      };
      batch.loss[out] = loss_before - taken;
      const double nan = __builtin_nan("");
      // Shares of a variance leave [0, 1] by rounding alone.
      const auto share = [](double v) { return v < 0 ? 0 : v > 1 ? 1 : v; };
      metric(ACTION_ERROR, action_void ? nan : share(1 - by_action[m * LANES + l] / action_left[l]));
      metric(FUTURE_LEAKAGE, exogenous_void ? nan : share(by_exogenous[m * LANES + l] / exogenous_left[l]));
      metric(ACTION_INFORMATION, action_void ? nan : action_information[m * LANES + l]);
      metric(FUTURE_INFORMATION, exogenous_void ? nan : future_information[m * LANES + l]);
      metric(CONSISTENCY_ERROR, moved_sum / (variance + picked * complement_variance));
      metric(RAW_ACTION_ERROR, share(1 - raw_by_action[m * LANES + l] / action_total[l]));
      metric(RAW_EXOGENOUS_NEXT_ERROR, share(1 - raw_by_exogenous[m * LANES + l] / exogenous_total[l]));
      metric(RAW_OBSERVATION_ERROR,
             share(1 - (raw_by_observation[m * LANES + l] + picked * complement_seen) / o_total));
      const double loss = batch.loss[out];
      batch.status[problem] = !(loss - loss == 0) ? NON_FINITE : empty[l] ? EMPTY_PROBLEM : OK;
    }
    if (batch.encoder) {
      batch.complement_encoder[2 * problem] = cc;
      batch.complement_encoder[2 * problem + 1] = cd;
    }
  }
}

static std::size_t population_scratch(const PopulationBatch& batch) {
  const WorldShape s = world_shape(batch);
  const std::size_t rows[] = {s.qe + 1,
                              s.ds + s.dx,
                              s.projected,
                              stack_rows(s, batch.objective.y),
                              stack_rows(s, batch.objective.f),
                              stack_rows(s, batch.objective.e),
                              batch.latent_count};
  std::size_t widest = s.pd;
  for (const std::size_t r : rows) widest = r > widest ? r : widest;
  const std::size_t matrices =
      140;  // more than population() takes from its arena, at the widest of all shapes
  return matrices * widest * widest * LANES + 4 * (eigen_lanes_work(widest) + LANES);
}
