// What a network is and what it is trained for: lib/backend/train-requests.ts in C++, which documents every
// field.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/train/source.h"
#include "kernels/train.h"

namespace exo {

struct CodebookShape {
  std::size_t size, codes;
  bool ema;
  double decay, commitment, revive_below;
};

struct NetworkShape {
  std::size_t observation_dim, projection_dim, action_dim, latent;
  bool encodes_difference, decodes_latent_alone, residual;
  std::vector<std::size_t> encoder_hidden, decoder_hidden;
  Activation activation;
  bool bias;
  std::size_t targets;
  bool quantised;
  CodebookShape codebook;  // where quantised

  // w, and the outputs of the decoder.
  std::size_t seen() const { return projection_dim ? projection_dim : observation_dim; }
  std::size_t predicted() const { return targets * seen(); }
  std::size_t code_width() const { return latent / codebook.codes; }
  // Inputs, hidden layers, outputs.
  std::vector<std::size_t> encoder_widths() const {
    return widths(seen() * (encodes_difference ? 1 : 2), encoder_hidden, latent);
  }
  std::vector<std::size_t> decoder_widths() const {
    return widths(latent + (decodes_latent_alone ? 0 : seen()), decoder_hidden, predicted());
  }
  // Numbers of the flat array before the codebook, and of the codebook.
  std::size_t layer_parameters() const {
    const auto of = [&](std::size_t in, std::size_t out) { return out * (in + (bias ? 1 : 0)); };
    std::size_t count = action_dim ? of(latent, action_dim) : 0;
    for (const auto& w : {encoder_widths(), decoder_widths()})
      for (std::size_t i = 1; i < w.size(); ++i) count += of(w[i - 1], w[i]);
    return count;
  }
  std::size_t codebook_parameters() const { return quantised ? codebook.size * latent : 0; }
  std::size_t parameters() const { return layer_parameters() + codebook_parameters(); }

 private:
  static std::vector<std::size_t> widths(std::size_t in, const std::vector<std::size_t>& hidden,
                                         std::size_t out) {
    std::vector<std::size_t> all{in};
    all.insert(all.end(), hidden.begin(), hidden.end());
    all.push_back(out);
    return all;
  }
};

struct TrainObjective {
  bool cross_exogenous;
  double encoder_noise, decoder_noise;
  double action_weight, label_fraction;
  bool mean_of_labelled;
  double robust_weight;
  bool robust_on_decoded;

  bool needs_pair() const { return cross_exogenous || robust_weight > 0; }
  // What the head's error counts beside the reconstruction's.
  double head_share() const { return action_weight * (mean_of_labelled ? 1 : label_fraction); }
};

struct TrainOptimiser {
  enum Kind { SGD, ADAM, ADAMW } kind;
  double learning_rate, momentum, beta1, beta2, epsilon, weight_decay;
  double warmup_steps, cosine_steps, final_share;
};

struct TrainProblem {
  NetworkShape shape;
  const float* projection;  // (projection_dim, observation_dim)
  std::shared_ptr<const BatchSource> source;
  TrainObjective objective;
  std::size_t batch;
  std::uint64_t seed;

  RowNeeds needs() const { return {objective.needs_pair(), shape.targets - 1, false}; }
};

// Streams of training (TRAIN_STREAM in lib/backend/train-requests.ts).
enum TrainStream : std::uint64_t {
  STREAM_ENCODER_NOISE = 0x74720002,
  STREAM_DECODER_NOISE = 0x74720003,
  STREAM_LABELS = 0x74720004,
  STREAM_REVIVE = 0x74720005,
  STREAM_ORDER = 0x74720006,
};

enum LossPart { LOSS, LOSS_RECONSTRUCTION, LOSS_ACTION, LOSS_ROBUST, LOSS_CODEBOOK, LOSS_PARTS };

}  // namespace exo
