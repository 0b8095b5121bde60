#include "core/train/network.h"

namespace exo {

RowsMemory::RowsMemory(const TrainProblem& problem, std::size_t action_dim, std::size_t count)
    : d(problem.shape.observation_dim), da(action_dim), later(problem.shape.targets - 1) {
  const std::size_t rows = round_up(count, 16);  // products read whole tiles
  const bool pair = problem.objective.needs_pair();
  observation = Aligned<float>(rows * d);
  observation_next = Aligned<float>(rows * d);
  action = Aligned<float>(rows * da);
  if (later > 0) after = Aligned<float>(rows * later * d);
  if (pair) {
    pair_observation = Aligned<float>(rows * d);
    pair_observation_next = Aligned<float>(rows * d);
    if (later > 0) pair_after = Aligned<float>(rows * later * d);
  }
  labelled.resize(count, 1);
}

Rows RowsMemory::from(std::size_t begin, std::size_t count) const {
  const auto at = [&](const Aligned<float>& a, std::size_t width) {
    return a.size() > 0 ? a.data() + begin * width : nullptr;
  };
  Rows rows{};
  rows.count = count;
  rows.observation = at(observation, d);
  rows.observation_next = at(observation_next, d);
  rows.pair_observation = at(pair_observation, d);
  rows.pair_observation_next = at(pair_observation_next, d);
  rows.later = at(after, later * d);
  rows.pair_later = at(pair_after, later * d);
  rows.action = at(action, da);
  rows.labelled = const_cast<std::uint8_t*>(labelled.data()) + begin;
  return rows;
}

template <class T>
Network<T>::Network(const Kernels& kernels, const NetworkShape& shape, const TrainObjective& objective,
                    std::size_t rows, bool trained)
    : kernels_(kernels), k_(train_kernels<T>(kernels)), shape_(shape), objective_(objective), rows_(rows) {
  const std::size_t w = shape.seen(), k = shape.latent;
  const auto encoder = shape.encoder_widths(), decoder = shape.decoder_widths();
  const auto chain = [&](const std::vector<std::size_t>& widths, std::vector<std::size_t> inputs,
                         std::size_t returning) {
    Chain<T> c;
    for (std::size_t l = 1; l < widths.size(); ++l) {
      if (l > 1) {
        inputs = {widths[l - 1]};
        returning = 1;
      }
      c.layers.emplace_back(k_, inputs, widths[l], trained ? returning : 0, shape.bias, trained);
    }
    return c;
  };
  encoder_ = chain(encoder, shape.encodes_difference ? std::vector{w} : std::vector{w, w}, 0);
  decoder_ = chain(decoder, shape.decodes_latent_alone ? std::vector{k} : std::vector{w, k}, 1);
  if (shape.action_dim > 0)
    head_layer_.emplace_back(k_, std::vector{k}, shape.action_dim, trained ? 1 : 0, shape.bias, trained);
  if (shape.quantised) codebook_ = Codebook<T>(k_, shape_, rows);

  now_ = Panelled<T>(k_, rows, w);
  next_ = Panelled<T>(k_, rows, w);
  first_ = Trail<T>(k_, encoder, shape.activation, rows, trained);
  decoded_ = Trail<T>(k_, decoder, shape.activation, rows, trained);
  const auto input = [&](Trail<T>& trail, const Panelled<T>& now, const Panelled<T>& next) {
    if (shape.encodes_difference)
      trail.inputs = {&next};
    else
      trail.inputs = {&now, &next};
  };
  input(first_, now_, next_);
  // What the decoder is given and what it aims at are often what the encoder sees.
  const TrainObjective& o = objective_;
  const bool plain = !o.cross_exogenous && o.encoder_noise == 0 && o.decoder_noise == 0;
  given_is_now_ = trained && plain;
  target_is_next_ = trained && plain && shape.targets == 1 && !shape.residual && !shape.encodes_difference;
  if (!given_is_now_) given_ = Panelled<T>(k_, rows, w);
  if (!target_is_next_) target_ = Panelled<T>(k_, rows, shape.predicted());
  if (shape.quantised) quantised_ = Panelled<T>(k_, rows, k);
  const Panelled<T>& given = given_is_now_ ? now_ : given_;
  const Panelled<T>& z = shape.quantised ? quantised_ : first_.output();
  if (shape.decodes_latent_alone)
    decoded_.inputs = {&z};
  else
    decoded_.inputs = {&given, &z};
  if (shape.action_dim > 0) head_out_ = Panelled<T>(k_, rows, shape.action_dim);
  codes_.resize(rows * codebook_.codes());
  if (!trained) return;

  for (std::vector<double>* by_row : {&reconstruction_, &action_, &robust_, &quantising_})
    by_row->resize(round_up(rows, k_.tile_rows));
  if (shape.action_dim > 0) head_back_ = Panelled<T>(k_, rows, shape.action_dim);
  if (o.robust_weight > 0) {
    pair_now_ = Panelled<T>(k_, rows, w);
    pair_next_ = Panelled<T>(k_, rows, w);
    second_ = Trail<T>(k_, encoder, shape.activation, rows, true);
    input(second_, pair_now_, pair_next_);
    if (o.robust_on_decoded) {
      moved_ = Panelled<T>(k_, rows, k);
      moved_out_ = Panelled<T>(k_, rows, shape.predicted());
      zeros_ = Panelled<T>(k_, rows, shape.predicted());
      if (o.head_share() > 0) {
        head_moved_ = Panelled<T>(k_, rows, shape.action_dim);
        head_zeros_ = Panelled<T>(k_, rows, shape.action_dim);
        head_robust_.resize(robust_.size());
      }
    }
  }
  list_descents();
}

template <class T>
void Network<T>::list_descents() {
  const auto passages = [](const Trail<T>& trail, std::size_t l, std::vector<Passage<T>>& to) {
    to.push_back({l == 0 ? trail.inputs : std::vector<const Panelled<T>*>{&trail.outputs[l - 1]},
                  &trail.backs[l], true});
  };
  const bool robust = objective_.robust_weight > 0, decoded = robust && objective_.robust_on_decoded;
  encoder_passages_.resize(encoder_.layers.size());
  decoder_passages_.resize(decoder_.layers.size());
  const auto parts = [&](Layer<T>& layer, std::vector<Passage<T>>& of) {
    for (std::size_t j = 0; j < layer.panels(); ++j) descents_.push_back({&layer, j, &of});
  };
  for (std::size_t l = 0; l < encoder_.layers.size(); ++l) {
    passages(first_, l, encoder_passages_[l]);
    if (robust) passages(second_, l, encoder_passages_[l]);
    parts(encoder_.layers[l], encoder_passages_[l]);
  }
  for (std::size_t l = 0; l < decoder_.layers.size(); ++l) {
    passages(decoded_, l, decoder_passages_[l]);
    if (decoded) {
      std::vector<const Panelled<T>*> inputs(decoded_.inputs.size(), nullptr);
      inputs.back() = &moved_;
      decoder_passages_[l].push_back({inputs, &moved_out_, false});
    }
    parts(decoder_.layers[l], decoder_passages_[l]);
  }
  if (head_layer_.empty() || objective_.action_weight == 0) return;
  head_passages_.push_back({{&latent()}, &head_back_, true});
  if (decoded && objective_.head_share() > 0) head_passages_.push_back({{&moved_}, &head_moved_, false});
  parts(head_layer_[0], head_passages_);
}

template <class T>
double Network<T>::work() const {
  double sum = 0;
  for (const Chain<T>* c : {&encoder_, &decoder_})
    for (const Layer<T>& l : c->layers) sum += 3.0 * static_cast<double>(l.work());
  return sum * static_cast<double>(rows_);
}

namespace {

// to = from [+ scale noise] [- minus], row-major arrays of the block's width (or `period`, over and over).
template <class T>
void stage(const Panelled<T>& to, std::size_t begin, std::size_t end, const T* from, std::size_t pitch,
           std::size_t column, const float* noise, T scale, const T* minus, std::size_t width,
           std::size_t to_column) {
  to.each(begin, end, [&](std::size_t row, T* out, std::size_t first, std::size_t count) {
    // Columns [to_column, to_column + width) of the block are filled.
    const std::size_t low = std::max(first, to_column), high = std::min(first + count, to_column + width);
    for (std::size_t c = low; c < high;) {
      const std::size_t i = c - to_column, run = high - c;
      T* o = out + c - first;
      const T* f = from + row * pitch + column + i;
      std::memcpy(o, f, run * sizeof(T));
      if (noise)
        for (std::size_t q = 0; q < run; ++q) o[q] += scale * static_cast<T>(noise[row * width + i + q]);
      if (minus)
        for (std::size_t q = 0; q < run; ++q) o[q] -= minus[row * width + i + q];
      c += run;
    }
  });
}

}  // namespace

// Rows are at their own place in `memory` (or in `from` itself), so that threads may share it.
template <class T>
const T* Network<T>::seen(const float* projection, const float* from, std::vector<T>& memory,
                          std::size_t begin, std::size_t end) const {
  const std::size_t d = shape_.observation_dim, h = shape_.projection_dim;
  if constexpr (std::is_same_v<T, float>) {
    if (h == 0) return from;
    memory.resize(end * h);
    kernels_.gemm_f32(false, true, end - begin, h, d, 1, from + begin * d, d, projection, d, 0,
                      memory.data() + begin * h, h);
  } else {
    std::vector<T> wide(from, from + end * d);
    if (h == 0) {
      memory = std::move(wide);
      return memory.data();
    }
    const std::vector<T> p(projection, projection + h * d);
    memory.resize(end * h);
    kernels_.gemm(false, true, end - begin, h, d, 1, wide.data() + begin * d, d, p.data(), d, 0,
                  memory.data() + begin * h, h);
  }
  return memory.data();
}

template <class T>
void Network<T>::see(const TrainProblem& problem, const RowsMemory& from, std::uint64_t step,
                     std::size_t begin, std::size_t end) {
  const TrainObjective& o = objective_;
  const std::size_t w = shape_.seen();
  const auto draw = [&](TrainStream stream, double deviation, std::vector<float>& to) -> const float* {
    if (deviation == 0) return nullptr;
    to.resize(end * w);
    kernels_.normals_f32(to.data() + begin * w, problem.seed, stream, (step * rows_ + begin) * w,
                         (end - begin) * w);
    return to.data();
  };
  std::vector<float> n1, n2;
  std::vector<T> memory[4];
  const auto through = [&](const Aligned<float>& rows, std::size_t slot) {
    return seen(problem.projection, rows.data(), memory[slot], begin, end);
  };
  const float* noise = draw(STREAM_ENCODER_NOISE, shape_.encodes_difference ? 0 : o.encoder_noise, n1);
  const T deviation = static_cast<T>(o.encoder_noise);
  const auto pair = [&](const T* before, const T* after, const Panelled<T>& now, const Panelled<T>& next) {
    stage<T>(now, begin, end, before, w, 0, noise, deviation, nullptr, w, 0);
    stage<T>(next, begin, end, after, w, 0, noise, deviation, shape_.encodes_difference ? before : nullptr, w,
             0);
  };
  const T *before = through(from.observation, 0), *after = through(from.observation_next, 1);
  pair(before, after, now_, next_);
  const T *other_before = nullptr, *other_after = nullptr;
  if (o.needs_pair()) {
    other_before = through(from.pair_observation, 2);
    other_after = through(from.pair_observation_next, 3);
    if (o.robust_weight > 0) pair(other_before, other_after, pair_now_, pair_next_);
  }
  const float* n = draw(STREAM_DECODER_NOISE, o.decoder_noise, n2);
  const T aside = static_cast<T>(o.decoder_noise);
  const T* given = o.cross_exogenous ? other_before : before;
  if (!given_is_now_) stage<T>(given_, begin, end, given, w, 0, n, aside, nullptr, w, 0);
  if (target_is_next_) return;
  // The residual's o carries the noise of the target: what is left to predict has none.
  const T* minus = shape_.residual ? given : nullptr;
  const float* on_target = shape_.residual ? nullptr : n;
  stage<T>(target_, begin, end, o.cross_exogenous ? other_after : after, w, 0, on_target, aside, minus, w, 0);
  for (std::size_t h = 1; h < shape_.targets; ++h) {
    // (rows, later, d) seen one after another.
    const std::size_t d = shape_.observation_dim, later = shape_.targets - 1;
    const float* all = (o.cross_exogenous ? from.pair_after : from.after).data();
    std::vector<float> one(end * d);
    for (std::size_t r = begin; r < end; ++r)
      std::copy_n(all + (r * later + h - 1) * d, d, one.data() + r * d);
    std::vector<T> own;
    const T* y = seen(problem.projection, one.data(), own, begin, end);
    stage<T>(target_, begin, end, y, w, 0, on_target, aside, minus, w, h * w);
  }
}

template <class T>
void Network<T>::pass(Chain<T>& chain, Trail<T>& trail, std::size_t begin, std::size_t end) {
  for (std::size_t l = 0; l < chain.layers.size(); ++l) {
    const bool hidden = l + 1 < chain.layers.size();
    const auto inputs = l == 0 ? trail.inputs : std::vector<const Panelled<T>*>{&trail.outputs[l - 1]};
    chain.layers[l].forward(inputs, 0, true, hidden ? shape_.activation : Activation::NONE, begin, end,
                            trail.outputs[l], &trail.slopes[l]);
  }
}

// From the gradient of the outputs, in backs.back(), to those of every layer before.
template <class T>
void Network<T>::pass_back(Chain<T>& chain, Trail<T>& trail, std::size_t begin, std::size_t end) {
  for (std::size_t l = chain.layers.size() - 1; l > 0; --l)
    chain.layers[l].backward(
        trail.backs[l], shape_.activation,
        shape_.activation == Activation::GELU ? &trail.slopes[l - 1] : &trail.outputs[l - 1], false, begin,
        end, trail.backs[l - 1]);
}

template <class T>
void Network<T>::encode(std::size_t begin, std::size_t end) {
  pass(encoder_, first_, begin, end);
  if (objective_.robust_weight > 0) pass(encoder_, second_, begin, end);
  if (codebook_.there()) codebook_.take(first_.output(), begin, end);
}

template <class T>
void Network<T>::together(const RowsMemory& from) {
  robust_together_ = 0;
  if (objective_.robust_weight > 0 && !objective_.robust_on_decoded)
    penalise_latents(objective_.robust_weight);
  std::size_t labelled = rows_;
  if (objective_.mean_of_labelled) {
    labelled = 0;
    for (std::size_t r = 0; r < rows_; ++r) labelled += from.labelled[r];
  }
  action_share_ = labelled ? objective_.action_weight / static_cast<double>(labelled) : 0;
}

// weight times the sum over coordinates of mean (z - z2)^2 over the variance of both views' z: its gradient
// begins the two encoders' way back.
template <class T>
void Network<T>::penalise_latents(double weight) {
  const Panelled<T>&z = first_.output(), &z2 = second_.output();
  const double n = static_cast<double>(rows_);
  for (std::size_t j = 0; j < z.panels().size(); ++j) {
    const std::size_t width = z.panels()[j].width, count = z.segments()[j].width;
    for (std::size_t c = 0; c < count; ++c) {
      const auto at = [&](const Panelled<T>& b, std::size_t r) -> T& { return b.panel(j)[r * width + c]; };
      double mean = 0, variance = 0, moved = 0;
      for (std::size_t r = 0; r < rows_; ++r)
        mean += (static_cast<double>(at(z, r)) + static_cast<double>(at(z2, r))) / (2 * n);
      for (std::size_t r = 0; r < rows_; ++r) {
        const double a = static_cast<double>(at(z, r)), b = static_cast<double>(at(z2, r));
        variance += ((a - mean) * (a - mean) + (b - mean) * (b - mean)) / (2 * n);
        moved += (a - b) * (a - b) / n;
      }
      const bool varies = variance > 0;
      if (varies || std::isnan(variance)) robust_together_ += weight * moved / variance;
      const double spread = varies ? moved / (variance * variance * n) : 0;
      for (std::size_t r = 0; r < rows_; ++r) {
        const double a = static_cast<double>(at(z, r)), b = static_cast<double>(at(z2, r));
        const double apart = varies ? 2 * (a - b) / (n * variance) : 0;
        at(first_.back(), r) = static_cast<T>(weight * (apart - spread * (a - mean)));
        at(second_.back(), r) = static_cast<T>(weight * (-apart - spread * (b - mean)));
      }
    }
  }
}

template <class T>
void Network<T>::decode(const RowsMemory& from, std::size_t begin, std::size_t end) {
  if (codebook_.there()) codebook_.quantise(first_.output(), begin, end, codes_.data(), quantised_);
  pass(decoder_, decoded_, begin, end);
  const Panelled<T>& prediction = decoded_.output();
  const Panelled<T>& target = target_is_next_ ? next_ : target_;
  // The error is made in the place of the prediction's gradient.
  for (std::size_t j = 0; j < prediction.panels().size(); ++j) {
    const std::size_t width = prediction.panels()[j].width;
    std::memcpy(decoded_.back().panel(j) + begin * width, prediction.panel(j) + begin * width,
                (end - begin) * width * sizeof(T));
  }
  k_.error(begin, end, prediction.rows_alloc(), prediction.panels().data(), prediction.panels().size(),
           prediction.width(), target.data(), static_cast<T>(2.0 / static_cast<double>(rows_)),
           decoded_.back().data(), reconstruction_.data());
  pass_back(decoder_, decoded_, begin, end);
  // The first layer's returned input is z: its gradient is where the encoder's way back begins.
  const bool penalised = objective_.robust_weight > 0 && !objective_.robust_on_decoded;
  decoder_.layers[0].backward(decoded_.backs[0], Activation::NONE, nullptr, penalised, begin, end,
                              first_.back());
  supervise(from, begin, end);
  if (codebook_.there())
    codebook_.commit(first_.output(), begin, end, codes_.data(), first_.back(), quantising_.data());
  if (objective_.robust_weight > 0 && objective_.robust_on_decoded) penalise_decoded(begin, end);
  pass_back(encoder_, first_, begin, end);
  if (objective_.robust_weight > 0) pass_back(encoder_, second_, begin, end);
}

template <class T>
void Network<T>::supervise(const RowsMemory& from, std::size_t begin, std::size_t end) {
  if (head_layer_.empty() || objective_.action_weight == 0) return;
  head_layer_[0].forward({&latent()}, 0, true, Activation::NONE, begin, end, head_out_, nullptr);
  const std::size_t da = shape_.action_dim;
  const T factor = static_cast<T>(2 * action_share_);
  std::fill(action_.begin() + static_cast<std::ptrdiff_t>(begin),
            action_.begin() + static_cast<std::ptrdiff_t>(end), 0.0);
  for (std::size_t j = 0; j < head_out_.panels().size(); ++j) {
    const std::size_t width = head_out_.panels()[j].width, first = head_out_.panels()[j].begin;
    for (std::size_t row = begin; row < end; ++row)
      for (std::size_t c = 0; c < head_out_.segments()[j].width; ++c) {
        const T a = static_cast<T>(from.action.data()[row * da + first + c]);
        const T error = from.labelled[row] ? head_out_.panel(j)[row * width + c] - a : T(0);
        head_back_.panel(j)[row * width + c] = factor * error;
        action_[row] += static_cast<double>(error) * static_cast<double>(error);
      }
  }
  head_layer_[0].backward(head_back_, Activation::NONE, nullptr, true, begin, end, first_.back());
}

// weight mean (|B (z - z2)|^2 + head_share |H (z - z2)|^2), B the decoder's columns on z and H the head: the
// two are one decoder of [o'; action], as the closed form has it.
template <class T>
void Network<T>::penalise_decoded(std::size_t begin, std::size_t end) {
  const double share = objective_.robust_weight / static_cast<double>(rows_);
  moved_.each(begin, end, [&](std::size_t, T* to, std::size_t, std::size_t width) {
    const std::size_t at = static_cast<std::size_t>(to - moved_.data());
    for (std::size_t c = 0; c < width; ++c)
      to[c] = first_.output().data()[at + c] - second_.output().data()[at + c];
  });
  Layer<T>& last = decoder_.layers[0];
  last.forward({&moved_}, decoded_.inputs.size() - 1, false, Activation::NONE, begin, end, moved_out_,
               nullptr);
  k_.error(begin, end, moved_out_.rows_alloc(), moved_out_.panels().data(), moved_out_.panels().size(),
           moved_out_.width(), zeros_.data(), static_cast<T>(2 * share), moved_out_.data(), robust_.data());
  last.backward(moved_out_, Activation::NONE, nullptr, true, begin, end, first_.back());
  last.backward(moved_out_, Activation::NONE, nullptr, false, begin, end, second_.back());
  if (objective_.head_share() > 0) penalise_head(2 * share * objective_.head_share(), begin, end);
  second_.back().each(begin, end, [](std::size_t, T* to, std::size_t, std::size_t width) {
    for (std::size_t c = 0; c < width; ++c) to[c] = -to[c];
  });
}

template <class T>
void Network<T>::penalise_head(double factor, std::size_t begin, std::size_t end) {
  const Layer<T>& head = head_layer_[0];
  head.forward({&moved_}, 0, false, Activation::NONE, begin, end, head_moved_, nullptr);
  k_.error(begin, end, head_moved_.rows_alloc(), head_moved_.panels().data(), head_moved_.panels().size(),
           head_moved_.width(), head_zeros_.data(), static_cast<T>(factor), head_moved_.data(),
           head_robust_.data());
  for (std::size_t r = begin; r < end; ++r) robust_[r] += objective_.head_share() * head_robust_[r];
  head.backward(head_moved_, Activation::NONE, nullptr, true, begin, end, first_.back());
  head.backward(head_moved_, Activation::NONE, nullptr, true, begin, end, second_.back());
}

template <class T>
void Network<T>::losses(double (&parts)[LOSS_PARTS]) const {
  const auto mean = [&](const std::vector<double>& by_row, double share) {
    double sum = 0;
    for (std::size_t r = 0; r < rows_; ++r) sum += by_row[r];
    return sum * share;
  };
  const double n = static_cast<double>(rows_);
  parts[LOSS_RECONSTRUCTION] = mean(reconstruction_, 1 / n);
  parts[LOSS_ACTION] = objective_.action_weight > 0 ? mean(action_, action_share_) : 0;
  const bool decoded = objective_.robust_weight > 0 && objective_.robust_on_decoded;
  parts[LOSS_ROBUST] = decoded ? mean(robust_, objective_.robust_weight / n) : robust_together_;
  parts[LOSS_CODEBOOK] = codebook_.there() ? mean(quantising_, 1 / n) : 0;
  parts[LOSS] = parts[LOSS_RECONSTRUCTION] + parts[LOSS_ACTION] + parts[LOSS_ROBUST] + parts[LOSS_CODEBOOK];
}

template <class T>
void Network<T>::descend(std::size_t part, const Descending<T>& how) {
  const Part& p = descents_[part];
  p.layer->descend(p.panel, *p.passages, rows_, how);
}

template <class T>
void Network<T>::set_latents(const float* z, std::size_t begin, std::size_t end) {
  latent().each(begin, end, [&](std::size_t row, T* to, std::size_t column, std::size_t width) {
    for (std::size_t c = 0; c < width; ++c) to[c] = static_cast<T>(z[row * shape_.latent + column + c]);
  });
}

template <class T>
void Network<T>::see_rows(const float* projection, const float* o, const float* next, const float* given,
                          std::size_t begin, std::size_t end) {
  const std::size_t w = shape_.seen();
  std::vector<T> memory[3];
  if (o && next) {
    const T *before = seen(projection, o, memory[0], begin, end),
            *after = seen(projection, next, memory[1], begin, end);
    stage<T>(now_, begin, end, before, w, 0, nullptr, 0, nullptr, w, 0);
    stage<T>(next_, begin, end, after, w, 0, nullptr, 0, shape_.encodes_difference ? before : nullptr, w, 0);
  }
  if (given)
    stage<T>(given_, begin, end, seen(projection, given, memory[2], begin, end), w, 0, nullptr, 0, nullptr, w,
             0);
}

template <class T>
void Network<T>::quantise(std::size_t begin, std::size_t end) {
  if (codebook_.there()) codebook_.quantise(first_.output(), begin, end, codes_.data(), quantised_);
}

template <class T>
void Network<T>::decode_alone(std::size_t begin, std::size_t end) {
  pass(decoder_, decoded_, begin, end);
  if (!head_layer_.empty())
    head_layer_[0].forward({&latent()}, 0, true, Activation::NONE, begin, end, head_out_, nullptr);
}

template <class T>
void Network<T>::copy(const Panelled<T>& from, std::size_t begin, std::size_t end, float* to) const {
  from.each(begin, end, [&](std::size_t row, const T* x, std::size_t column, std::size_t width) {
    for (std::size_t c = 0; c < width; ++c) to[row * from.width() + column + c] = static_cast<float>(x[c]);
  });
}

template <class T>
void Network<T>::copy_prediction(std::size_t begin, std::size_t end, float* to) const {
  const std::size_t width = shape_.predicted(), w = shape_.seen();
  copy(decoded_.output(), begin, end, to);
  if (!shape_.residual) return;
  std::vector<float> given(end * w);
  copy(given_, begin, end, given.data());
  for (std::size_t r = begin; r < end; ++r)
    for (std::size_t c = 0; c < width; ++c) to[r * width + c] += given[r * w + c % w];
}

template class Network<float>;
template class Network<double>;

}  // namespace exo
