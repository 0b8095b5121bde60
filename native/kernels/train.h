// What the kernels of minibatch training take: plain structs, for T float (training) and double (checks of
// gradients).
//
// Everything is stored *by panels*: an array of `rows` x `width` numbers is cut into panels of a few vectors'
// width, each panel holding its columns of all rows contiguously. Element (row, column) of the panel that
// begins at column `begin` is at[begin * rows_alloc + row * panel.width + column - begin]. A panel is what a
// tile of a product reads as its right factor, and 8 neighbours of a row are what it broadcasts as its left:
// no product has to pack what it multiplies. Widths are rounded up to whole vectors, rows to whole tiles.
#pragma once
#include <cstddef>
#include <cstdint>

namespace exo {

struct Panel {
  std::size_t begin, width;  // columns, whole vectors
};

enum class Activation : std::int32_t { NONE, RELU, GELU, TANH };
enum class OptimiserKind : std::int32_t { SGD, ADAM };

// Neighbouring columns of an array: element (row, column) is at[row * pitch + column].
template <class T>
struct Segment {
  const T* at;
  std::size_t width, pitch;
};

// out = activation(inputs w + bias) for rows [begin, end), begin at a whole tile.
template <class T>
struct Forward {
  const Segment<T>* inputs;  // side by side they are rows [first, ...) of w
  std::size_t input_count;
  const T* weights;  // (depth, outputs) by panels, rows_alloc depth
  std::size_t depth, first;
  const Panel* panels;  // of the outputs
  std::size_t panel_count;
  const T* bias;  // (outputs rounded up), or null
  Activation activation;
  std::size_t begin, end, rows_alloc;
  T* out;    // by panels
  T* slope;  // of gelu: the activation's derivative, by panels
};

// out = (back w^T) times the derivative of the activation, likewise.
template <class T>
struct Backward {
  const Segment<T>* inputs;  // of back
  std::size_t input_count;
  const T* weights;  // (outputs, inputs of the layer) by panels, rows_alloc depth
  std::size_t depth;
  const Panel* panels;
  std::size_t panel_count;
  Activation activation;
  const T* value;  // what forward() wrote into `out` (relu, tanh) or `slope` (gelu)
  bool add;        // to what is in `out`
  std::size_t begin, end, rows_alloc;
  T* out;
};

// The optimiser's numbers at one step.
template <class T>
struct Update {
  OptimiserKind kind;
  T rate;                        // adam: over the first moment's bias correction
  T decay;                       // added to the gradient, times the parameter
  T keep;                        // the parameter's share that stays
  T first, first_share;          // momentum or beta1, and what of the gradient is added
  T second, second_share;        // beta2
  T second_correction, epsilon;  // root of v times this, plus that
};

// One pass of a batch through a layer, as its weights' gradient sees it.
template <class T>
struct Pass {
  const Segment<T>* inputs;  // at: null where the pass has no such input
  const T* back;             // of the panel: (rows, panel.width)
};

// The gradient of one panel of weights, the sum over passes and rows of input^T back; then the update, or the
// gradient alone where `gradient` is not null. Arrays begin at the panel.
template <class T>
struct Descent {
  const Pass<T>* passes;
  std::size_t pass_count, input_count, rows, width;  // width of the panel
  T *weights, *first, *second, *gradient;            // (depth, width)
  Update<T> update;
};

template <class T>
struct TrainKernels {
  std::size_t lanes, tile_rows, tile_vectors;
  void (*forward)(const Forward<T>& f);
  void (*backward)(const Backward<T>& b);
  void (*descend)(const Descent<T>& d);
  // `count` numbers in whole vectors, gradient beside parameters.
  void (*update)(const Update<T>& u, std::size_t count, const T* gradient, T* parameters, T* first,
                 T* second);
  // out (columns, rows) = from (rows, columns), leading dimensions in numbers; whole vectors both ways.
  void (*transpose)(std::size_t rows, std::size_t columns, const T* from, std::size_t ldf, T* out,
                    std::size_t ldo);
  // error = factor (prediction - target) in place for rows [begin, end) by panels, `width` columns that
  // count; square[row] (double) = the sum of the squares of prediction - target.
  void (*error)(std::size_t begin, std::size_t end, std::size_t rows_alloc, const Panel* panels,
                std::size_t panel_count, std::size_t width, const T* target, T factor, T* prediction,
                double* square);
  // nearest[row] = the number of that column of book (width, size) nearest to z[row * pitch ..], the first of
  // several; ldb: size in whole vectors.
  void (*nearest)(std::size_t rows, std::size_t width, const T* z, std::size_t pitch, const T* book,
                  std::size_t size, std::size_t ldb, std::int32_t* nearest, std::size_t step);
};

}  // namespace exo
