// Products of arrays by panels: see kernels/train.h. A tile of TILE_ROWS x VECS vectors stays in registers
// over the whole depth, and what becomes of it (bias and activation, a derivative, the optimiser) happens
// there too.
//
// Element (i, j) is one fma chain over the depth, in order: the bits do not depend on which rows or panels
// are computed together.

// sum += a b: a (TILE_ROWS, depth) with element (i, p) at a[i * row + p * col], b (depth, VECS vectors).
template <std::size_t VECS, class T>
inline void add_products(typename Register<T>::type (&sum)[TILE_ROWS][VECS], const T* a, std::size_t row,
                         std::size_t col, std::size_t depth, const T* b) {
  for (std::size_t p = 0; p < depth; ++p, a += col, b += VECS * WIDTH<T>) {
    typename Register<T>::type right[VECS];
    for (std::size_t v = 0; v < VECS; ++v) right[v] = load_of(b + v * WIDTH<T>);
    for (std::size_t i = 0; i < TILE_ROWS; ++i)
      for (std::size_t v = 0; v < VECS; ++v) sum[i][v] = fma(splat_of(a[i * row]), right[v], sum[i][v]);
  }
}

// Calls then(row, sum) for each tile of rows [begin, end), sum = inputs b for one panel b of VECS vectors.
template <std::size_t VECS, class T, class Then>
inline void each_tile(const Segment<T>* inputs, std::size_t input_count, std::size_t begin, std::size_t end,
                      const T* b, Then then) {
  for (std::size_t row = begin; row < end; row += TILE_ROWS) {
    typename Register<T>::type sum[TILE_ROWS][VECS];
    for (std::size_t i = 0; i < TILE_ROWS; ++i)
      for (std::size_t v = 0; v < VECS; ++v) sum[i][v] = typename Register<T>::type{};
    const T* right = b;
    for (std::size_t s = 0; s < input_count; ++s) {
      const Segment<T>& in = inputs[s];
      add_products<VECS>(sum, in.at + row * in.pitch, in.pitch, 1, in.width, right);
      right += in.width * VECS * WIDTH<T>;
    }
    then(row, sum);
  }
}

// An activation of `count` numbers that are still in the first cache. A function of its own: its constants,
// held in registers over the tiles, would push the sums of a tile out of theirs (a gelu layer took 2.4 times
// as long).
template <Activation ACTIVATION, class T>
__attribute__((noinline)) void activate(T* out, T* slopes, std::size_t count) {
  for (std::size_t i = 0; i < count; i += WIDTH<T>) {
    typename Register<T>::type x = load_of(out + i);
    if (ACTIVATION == Activation::TANH) x = tanh_of(x);
    if (ACTIVATION == Activation::GELU) {
      typename Register<T>::type slope;
      x = gelu(x, slope);
      __builtin_memcpy(slopes + i, &slope, sizeof slope);
    }
    __builtin_memcpy(out + i, &x, sizeof x);
  }
}

template <Activation ACTIVATION, std::size_t VECS, class T>
inline void forward_panel(const Forward<T>& f, Panel panel) {
  using Vec = typename Register<T>::type;
  constexpr bool APART = ACTIVATION == Activation::GELU || ACTIVATION == Activation::TANH;
  constexpr std::size_t WIDE = VECS * WIDTH<T>;
  const T* b = f.weights + panel.begin * f.depth + f.first * panel.width;
  Vec bias[VECS];
  for (std::size_t v = 0; v < VECS; ++v)
    bias[v] = f.bias ? load_of(f.bias + panel.begin + v * WIDTH<T>) : Vec{};
  T* out = f.out + panel.begin * f.rows_alloc;
  T* slopes = ACTIVATION == Activation::GELU ? f.slope + panel.begin * f.rows_alloc : nullptr;
  each_tile<VECS>(
      f.inputs, f.input_count, f.begin, f.end, b, [=](std::size_t row, Vec(&sum)[TILE_ROWS][VECS]) {
        for (std::size_t i = 0; i < TILE_ROWS; ++i)
          for (std::size_t v = 0; v < VECS; ++v) {
            Vec x = sum[i][v] + bias[v];
            if (ACTIVATION == Activation::RELU) x = positive(x);
            __builtin_memcpy(out + (row + i) * WIDE + v * WIDTH<T>, &x, sizeof x);
          }
        if (APART)
          activate<ACTIVATION>(out + row * WIDE, slopes + (slopes ? row * WIDE : 0), TILE_ROWS * WIDE);
      });
}

template <Activation ACTIVATION, std::size_t VECS, class T>
inline void backward_panel(const Backward<T>& b, Panel panel) {
  using Vec = typename Register<T>::type;
  T* out = b.out + panel.begin * b.rows_alloc;
  const T* value = ACTIVATION == Activation::NONE ? nullptr : b.value + panel.begin * b.rows_alloc;
  const bool add = b.add;
  each_tile<VECS>(b.inputs, b.input_count, b.begin, b.end, b.weights + panel.begin * b.depth,
                  [=](std::size_t row, Vec(&sum)[TILE_ROWS][VECS]) {
                    for (std::size_t i = 0; i < TILE_ROWS; ++i)
                      for (std::size_t v = 0; v < VECS; ++v) {
                        const std::size_t at = (row + i) * VECS * WIDTH<T> + v * WIDTH<T>;
                        Vec x = sum[i][v];
                        if (add) x += load_of(out + at);
                        if (ACTIVATION == Activation::RELU) x = where_positive(load_of(value + at), x);
                        if (ACTIVATION == Activation::GELU) x *= load_of(value + at);
                        if (ACTIVATION == Activation::TANH) {
                          const Vec y = load_of(value + at);
                          x *= fma(-y, y, splat_of(T(1)));
                        }
                        __builtin_memcpy(out + at, &x, sizeof x);
                      }
                  });
}

// panel(vectors): a panel's work, by how many vectors wide it is.
template <class Panels, class Work>
inline void by_width(const Panels& p, std::size_t lanes, Work work) {
  for (std::size_t j = 0; j < p.panel_count; ++j) work(p.panels[j], p.panels[j].width / lanes);
}

template <Activation ACTIVATION, class T>
inline void forward_with(const Forward<T>& f) {
  by_width(f, WIDTH<T>, [&](Panel panel, std::size_t vectors) {
    if (vectors == 1) forward_panel<ACTIVATION, 1>(f, panel);
    if (vectors == 2) forward_panel<ACTIVATION, 2>(f, panel);
    if (vectors == 3) forward_panel<ACTIVATION, TILE_VECS>(f, panel);
  });
}

template <Activation ACTIVATION, class T>
inline void backward_with(const Backward<T>& b) {
  by_width(b, WIDTH<T>, [&](Panel panel, std::size_t vectors) {
    if (vectors == 1) backward_panel<ACTIVATION, 1>(b, panel);
    if (vectors == 2) backward_panel<ACTIVATION, 2>(b, panel);
    if (vectors == 3) backward_panel<ACTIVATION, TILE_VECS>(b, panel);
  });
}

template <class T>
static void layer_forward(const Forward<T>& f) {
  if (f.activation == Activation::NONE) forward_with<Activation::NONE>(f);
  if (f.activation == Activation::RELU) forward_with<Activation::RELU>(f);
  if (f.activation == Activation::GELU) forward_with<Activation::GELU>(f);
  if (f.activation == Activation::TANH) forward_with<Activation::TANH>(f);
}

template <class T>
static void layer_backward(const Backward<T>& b) {
  if (b.activation == Activation::NONE) backward_with<Activation::NONE>(b);
  if (b.activation == Activation::RELU) backward_with<Activation::RELU>(b);
  if (b.activation == Activation::GELU) backward_with<Activation::GELU>(b);
  if (b.activation == Activation::TANH) backward_with<Activation::TANH>(b);
}

enum class Then { ADAM, SGD, KEEP };

// Rows [feature, feature + rows) of the panel, rows <= TILE_ROWS.
template <Then THEN, std::size_t VECS, class T>
inline void descend_tile(const Descent<T>& d, std::size_t input, std::size_t within, std::size_t feature,
                         std::size_t rows) {
  using Vec = typename Register<T>::type;
  Vec sum[TILE_ROWS][VECS];
  for (std::size_t i = 0; i < TILE_ROWS; ++i)
    for (std::size_t v = 0; v < VECS; ++v) sum[i][v] = Vec{};
  for (std::size_t pass = 0; pass < d.pass_count; ++pass) {
    const Segment<T>& in = d.passes[pass].inputs[input];
    if (in.at) add_products<VECS>(sum, in.at + within, 1, in.pitch, d.rows, d.passes[pass].back);
  }
  for (std::size_t i = 0; i < TILE_ROWS; ++i)
    for (std::size_t v = 0; v < VECS; ++v) {
      if (i >= rows) continue;
      const std::size_t at = (feature + i) * VECS * WIDTH<T> + v * WIDTH<T>;
      if (THEN == Then::KEEP) __builtin_memcpy(d.gradient + at, &sum[i][v], sizeof(Vec));
      if (THEN == Then::ADAM)
        follow<OptimiserKind::ADAM>(d.update, sum[i][v], d.weights + at, d.first + at, d.second + at);
      if (THEN == Then::SGD)
        follow<OptimiserKind::SGD>(d.update, sum[i][v], d.weights + at, d.first + at, d.second + at);
    }
}

template <Then THEN, std::size_t VECS, class T>
inline void descend_panel(const Descent<T>& d) {
  std::size_t feature = 0;
  for (std::size_t s = 0; s < d.input_count; ++s) {
    const std::size_t width = d.passes[0].inputs[s].width;
    for (std::size_t i = 0; i < width; i += TILE_ROWS)
      descend_tile<THEN, VECS>(d, s, i, feature + i, smaller(TILE_ROWS, width - i));
    feature += width;
  }
}

template <Then THEN, class T>
inline void descend_with(const Descent<T>& d) {
  if (d.width == WIDTH<T>) descend_panel<THEN, 1>(d);
  if (d.width == 2 * WIDTH<T>) descend_panel<THEN, 2>(d);
  if (d.width == 3 * WIDTH<T>) descend_panel<THEN, TILE_VECS>(d);
}

template <class T>
static void descend(const Descent<T>& d) {
  if (d.gradient) return descend_with<Then::KEEP>(d);
  if (d.update.kind == OptimiserKind::ADAM) return descend_with<Then::ADAM>(d);
  descend_with<Then::SGD>(d);
}
