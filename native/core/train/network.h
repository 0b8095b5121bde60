// A latent action model on one batch: forward, loss, backward and the descent of its parameters, each in
// parts that may run on different threads. No part's bits depend on how the others are divided.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "core/train/codebook.h"
#include "core/train/layer.h"
#include "core/train/random.h"
#include "core/train/shape.h"

namespace exo {

// Layers with an activation between them.
template <class T>
struct Chain {
  std::vector<Layer<T>> layers;
};

// What one pass of a batch through a chain leaves for its way back: outputs of every layer, derivatives of
// the activation where it needs them, gradients of every layer's outputs.
template <class T>
struct Trail {
  std::vector<const Panelled<T>*> inputs;
  std::vector<Panelled<T>> outputs, slopes, backs;

  Trail() = default;
  Trail(const TrainKernels<T>& k, const std::vector<std::size_t>& widths, Activation activation,
        std::size_t rows, bool back) {
    for (std::size_t l = 1; l < widths.size(); ++l) {
      const bool hidden = l + 1 < widths.size();
      outputs.emplace_back(k, rows, widths[l]);
      slopes.push_back(hidden && activation == Activation::GELU ? Panelled<T>(k, rows, widths[l])
                                                                : Panelled<T>());
      backs.push_back(back ? Panelled<T>(k, rows, widths[l]) : Panelled<T>());
    }
  }
  const Panelled<T>& output() const { return outputs.back(); }
  const Panelled<T>& back() const { return backs.back(); }
};

// Row-major memory of a batch as its source fills it.
struct RowsMemory {
  RowsMemory(const TrainProblem& problem, std::size_t action_dim, std::size_t count);
  // The same memory from row `begin` on.
  Rows from(std::size_t begin, std::size_t count) const;

  std::size_t d, da, later;
  Aligned<float> observation, observation_next, pair_observation, pair_observation_next, after, pair_after,
      action;
  std::vector<std::uint8_t> labelled;
};

template <class T>
class Network {
 public:
  // rows: of a batch. trained: with room for gradients and moments.
  Network(const Kernels& kernels, const NetworkShape& shape, const TrainObjective& objective,
          std::size_t rows, bool trained);
  // Layers, blocks and passages point at each other.
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  std::size_t rows() const { return rows_; }
  // Multiply-adds of a step.
  double work() const;

  // The flat parameters without the codebook, in the order of tensorsOf (train-requests.ts), and arrays of
  // their layout.
  template <class From>
  void read(typename Layer<T>::Array which, const From* flat) {
    each_layer([&](Layer<T>& layer, std::size_t at) { layer.read(which, flat + at); });
  }
  template <class To>
  void write(typename Layer<T>::Array which, To* flat) {
    each_layer([&](Layer<T>& layer, std::size_t at) { layer.write(which, flat + at); });
  }
  void keep_gradients() {
    each_layer([](Layer<T>& layer, std::size_t) { layer.keep_gradient(); });
  }
  Codebook<T>& codebook() { return codebook_; }
  // (rows, codes) of the batch.
  const std::int32_t* codes() const { return codes_.data(); }

  // ---- A batch, rows [begin, end) at a time, begin at a whole tile. ----

  // What the network sees of the rows: o, o' and their pair, with noise, through P.
  void see(const TrainProblem& problem, const RowsMemory& from, std::uint64_t step, std::size_t begin,
           std::size_t end);
  void encode(std::size_t begin, std::size_t end);
  // Between encode() and decode(), for the whole batch: what depends on all of its latents.
  void together(const RowsMemory& from);
  void decode(const RowsMemory& from, std::size_t begin, std::size_t end);
  // Of the whole batch.
  void losses(double (&parts)[LOSS_PARTS]) const;
  // Parts of the descent: panels of every layer.
  std::size_t descents() const { return descents_.size(); }
  void descend(std::size_t part, const Descending<T>& how);

  // ---- Without training. ----

  // Latents (rows, latent) into the place of the encoder's.
  void set_latents(const float* z, std::size_t begin, std::size_t end);
  void see_rows(const float* projection, const float* o, const float* next, const float* given,
                std::size_t begin, std::size_t end);
  void encode_alone(std::size_t begin, std::size_t end) { pass(encoder_, first_, begin, end); }
  void quantise(std::size_t begin, std::size_t end);
  void decode_alone(std::size_t begin, std::size_t end);
  // Row-major copies; the residual's o is added to the prediction.
  void copy(const Panelled<T>& from, std::size_t begin, std::size_t end, float* to) const;
  void copy_prediction(std::size_t begin, std::size_t end, float* to) const;

  const Panelled<T>& encoded() const { return first_.output(); }
  const Panelled<T>& latent() const { return codebook_.there() ? quantised_ : first_.output(); }
  const Panelled<T>& head() const { return head_out_; }

 private:
  struct Part {
    Layer<T>* layer;
    std::size_t panel;
    std::vector<Passage<T>>* passages;
  };

  template <class Visit>
  void each_layer(Visit visit) {
    std::size_t at = 0;
    const auto one = [&](Layer<T>& layer) {
      visit(layer, at);
      at += layer.parameters();
    };
    for (Layer<T>& l : encoder_.layers) one(l);
    for (Layer<T>& l : decoder_.layers) one(l);
    for (Layer<T>& l : head_layer_) one(l);
  }

  void pass(Chain<T>& chain, Trail<T>& trail, std::size_t begin, std::size_t end);
  void pass_back(Chain<T>& chain, Trail<T>& trail, std::size_t begin, std::size_t end);
  void list_descents();
  void supervise(const RowsMemory& from, std::size_t begin, std::size_t end);
  void penalise_decoded(std::size_t begin, std::size_t end);
  void penalise_head(double factor, std::size_t begin, std::size_t end);
  void penalise_latents(double weight);
  // One observation as the network sees it, row-major, rows [begin, end).
  const T* seen(const float* projection, const float* from, std::vector<T>& memory, std::size_t begin,
                std::size_t end) const;

  const Kernels& kernels_;
  const TrainKernels<T>& k_;
  const NetworkShape shape_;
  const TrainObjective objective_;
  const std::size_t rows_;

  Chain<T> encoder_, decoder_;
  std::vector<Layer<T>> head_layer_;  // one or none
  Codebook<T> codebook_;

  Panelled<T> now_, next_, pair_now_, pair_next_, given_, target_;
  bool given_is_now_ = false, target_is_next_ = false;
  Trail<T> first_, second_, decoded_;  // of the batch, its pair, the decoder
  Panelled<T> quantised_, head_out_, head_back_, moved_, moved_out_, zeros_, head_moved_, head_zeros_;
  std::vector<std::vector<Passage<T>>> encoder_passages_, decoder_passages_;
  std::vector<Passage<T>> head_passages_;
  std::vector<Part> descents_;

  std::vector<std::int32_t> codes_;
  std::vector<double> reconstruction_, action_, robust_, head_robust_, quantising_;  // by row
  double robust_together_ = 0;
  double action_share_ = 0;
};

extern template class Network<float>;
extern template class Network<double>;

}  // namespace exo
