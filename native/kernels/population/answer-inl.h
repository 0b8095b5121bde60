// One lane at a time: the latents in order, the complement's multiplicity, and the answer's arrays.

struct Found {
  const PopulationBatch& batch;
  std::size_t first, count;
  const World& world;
  std::size_t ne, rows;
  const double *lambda, *kept, *is_complement;  // (ne)
  const double* g;                              // (ne, ne)
  const double *c, *d;                          // (rows, qe)
  const double *complement_c, *complement_d;
  vec trace, trace_complement, observation_total;
  bool reconstructs;
  const double* remaining;  // (rows + 1), of a problem without noise
  mask empty, careful;
  const MetricSums& sums;
};

// The latents of one lane in descending order, a coordinate of the complement after the other.
struct Walk {
  const Found& found;
  std::size_t lane;
  double multiplicity;
  std::size_t row = 0;  // rows taken
  double picked = 0;    // coordinates of the complement taken
  double still = 0;     // of them left of the row at hand

  double value_of(std::size_t i) const {
    const bool there = found.kept[i * LANES + lane] != 0 || found.is_complement[i * LANES + lane] != 0;
    return there ? found.lambda[i * LANES + lane] : 0;  // beyond the rank: rounding
  }
  double next() const { return still > 0 ? value_of(row - 1) : row < found.ne ? value_of(row) : 0; }
  bool next_is_complement() const {
    return still > 0 || (row < found.ne && found.is_complement[row * LANES + lane] != 0);
  }
  void take() {
    if (still == 0 && row < found.ne) {
      if (found.is_complement[row * LANES + lane] != 0) still = multiplicity;
      ++row;
    }
    if (still > 0) {
      still -= 1;
      picked += 1;
    }
  }
};

static void write_encoder(const Found& f, std::size_t lane, std::size_t row, std::size_t slot) {
  const PopulationBatch& batch = f.batch;
  double largest = 0, sign = 1;
  for (std::size_t j = 0; j < f.ne; ++j) {
    const double v = f.g[(row * f.ne + j) * LANES + lane];
    if (__builtin_fabs(v) > largest * (1 + SIGN_TIE)) {
      largest = __builtin_fabs(v);
      sign = v < 0 ? -1 : 1;
    }
  }
  const std::size_t q = f.world.shape.q, qe = f.world.shape.qe;
  for (std::size_t j = 0; j < q; ++j) {
    batch.encoder_c[slot * q + j] = sign * f.c[(row * qe + j) * LANES + lane];
    batch.encoder_d[slot * q + j] = sign * f.d[(row * qe + j) * LANES + lane];
  }
}

// The eigenvalues after the walk and what no latent explains; `rest`: the latter.
static double tail(const Walk& walk, double rest) {
  const Found& f = walk.found;
  double sum = rest + walk.still * (walk.still > 0 ? f.lambda[(walk.row - 1) * LANES + walk.lane] : 0);
  for (std::size_t i = f.ne; i-- > walk.row;) {
    const double times = f.is_complement[i * LANES + walk.lane] != 0 ? walk.multiplicity : 1;
    const double value = f.lambda[i * LANES + walk.lane];
    sum += value > 0 ? times * value : 0;
  }
  return sum;
}

static void write_metrics(const Found& f, const Walk& walk, std::size_t m) {
  const PopulationBatch& batch = f.batch;
  const MetricSums& s = f.sums;
  const std::size_t l = walk.lane, problem = f.first + l, row = walk.row < f.rows ? walk.row : f.rows;
  const WorldShape& shape = f.world.shape;
  const double eta = f.world.sensor[l], cc = f.complement_c[l], cd = f.complement_d[l], picked = walk.picked;
  const std::size_t stride = batch.count * batch.latent_count, out = problem * batch.latent_count + m;
  const auto metric = [&](PopulationMetric which, double value) {
    batch.metrics[static_cast<std::size_t>(which) * stride + out] = value;
  };
  const auto sum = [&](const double* sums) { return sums[row * LANES + l]; };
  // Shares of a variance leave [0, 1] by rounding alone.
  const auto share = [](double v) { return v < 0 ? 0 : v > 1 ? 1 : v; };
  const double nan = __builtin_nan("");
  const bool action_void = !(s.action_left[l] > VOID_LOADINGS * s.action_total[l]);
  const bool exogenous_void = !(s.exogenous_left[l] > VOID_LOADINGS * s.exogenous_total[l]);
  metric(ACTION_ERROR, action_void ? nan : share(1 - sum(s.action) / s.action_left[l]));
  metric(FUTURE_LEAKAGE, exogenous_void ? nan : share(sum(s.exogenous) / s.exogenous_left[l]));
  metric(ACTION_INFORMATION, action_void ? nan : sum(s.action_information));
  metric(FUTURE_INFORMATION, exogenous_void ? nan : sum(s.exogenous_information));
  metric(CONSISTENCY_ERROR, sum(s.moved) / (sum(s.variance) + picked * eta * eta * (cc * cc + cd * cd)));
  metric(RAW_ACTION_ERROR, share(1 - sum(s.raw_action) / s.action_total[l]));
  metric(RAW_EXOGENOUS_NEXT_ERROR, share(1 - sum(s.raw_exogenous) / s.exogenous_total[l]));
  const double multiplicity = walk.multiplicity;
  const double observation =
      f.observation_total[l] + eta * eta * (static_cast<double>(shape.q) + multiplicity);
  const double seen = cc == 0 ? 0 : eta * eta * cc * cc / (cc * cc + cd * cd);
  metric(RAW_OBSERVATION_ERROR, share(1 - (sum(s.raw_observation) + picked * seen) / observation));
  const double dx = static_cast<double>(shape.dx);
  const double scale = batch.parameters[EXOGENOUS_SCALE * batch.count + problem];
  const bool still = !(dx * scale * scale > VOID_LOADINGS * s.exogenous_total[l]);
  metric(INNOVATION_LEAKAGE, still ? nan : share(sum(s.innovation) / dx));
  const double holds = sum(s.holds) + (cd != 0 ? picked : 0);
  metric(LATENT_SHARE_EXOGENOUS, still ? (holds > 0 ? 0 : nan) : share(sum(s.innovation) / holds));
  metric(LATENT_SHARE_ACTION, share(sum(s.action_share) / holds));
}

static void write_answer(const Found& f, std::size_t l) {
  const PopulationBatch& batch = f.batch;
  const std::size_t problem = f.first + l, k_max = batch.max_latent();
  const double multiplicity = batch.parameters[COMPLEMENT_DIM * batch.count + problem];
  const bool noise = f.world.shape.noise;
  double rank = 0, explained = 0;
  for (std::size_t i = 0; i < f.ne; ++i) {
    const bool complement = f.is_complement[i * LANES + l] != 0;
    if (f.kept[i * LANES + l] != 0) rank += 1;
    if (complement) rank += multiplicity;
    explained +=
        (complement ? multiplicity : 1) * (f.lambda[i * LANES + l] > 0 ? f.lambda[i * LANES + l] : 0);
  }
  batch.rank[problem] = static_cast<std::int32_t>(rank);
  const double trace = f.trace[l] + multiplicity * f.trace_complement[l];
  const double rest = f.reconstructs || trace < explained ? 0 : trace - explained;
  const double gap = CLEAR_SHARE * f.lambda[l];
  bool careful = f.careful[l] != 0, finite = true;
  Walk walk{f, l, multiplicity};
  std::size_t filled = 0;
  for (std::size_t m = 0; m < batch.latent_count; ++m) {
    const std::size_t k = static_cast<std::size_t>(batch.latents[m]);
    double value = filled > 0 ? batch.spectrum[problem * k_max + filled - 1] : 0;
    for (; filled < k; ++filled) {
      const std::size_t slot = problem * k_max + filled;
      value = batch.spectrum[slot] = walk.next();
      batch.complement[slot] = walk.next_is_complement();
      const std::size_t row = walk.row;
      walk.take();
      if (batch.encoder && row < f.rows && row < walk.row && f.kept[row * LANES + l] != 0)
        write_encoder(f, l, row, slot);
    }
    const std::size_t out = problem * batch.latent_count + m;
    batch.next[out] = walk.next();
    batch.unique[out] = 1;
    const std::size_t row = walk.row < f.rows ? walk.row : f.rows;
    const double loss = noise ? tail(walk, rest) : f.remaining[row * LANES + l];
    batch.loss[out] = loss;
    finite &= loss - loss == 0;
    careful |= value > 0 && !(value - batch.next[out] > gap);
    careful |= noise && loss < CLEAR_SHARE * trace;
    write_metrics(f, walk, m);
  }
  if (batch.encoder) {
    batch.complement_encoder[2 * problem] = f.complement_c[l];
    batch.complement_encoder[2 * problem + 1] = f.complement_d[l];
  }
  batch.status[problem] = !finite ? NON_FINITE : f.empty[l] ? EMPTY_PROBLEM : OK;
  batch.careful[problem] = careful && finite && !f.empty[l];
}

static void write_answers(const Found& found) {
  for (std::size_t l = 0; l < found.count; ++l) write_answer(found, l);
}
