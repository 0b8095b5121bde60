// The optimiser on vectors: parameters and moments follow a gradient that is still in registers.

template <OptimiserKind KIND, class T>
inline void follow(const Update<T>& u, typename Register<T>::type g, T* parameter, T* first, T* second) {
  using Vec = typename Register<T>::type;
  Vec p = load_of(parameter);
  g = fma(splat_of(u.decay), p, g);
  const Vec m = fma(splat_of(u.first), load_of(first), splat_of(u.first_share) * g);
  __builtin_memcpy(first, &m, sizeof m);
  Vec step = m;
  if (KIND == OptimiserKind::ADAM) {
    const Vec v = fma(splat_of(u.second), load_of(second), splat_of(u.second_share) * g * g);
    __builtin_memcpy(second, &v, sizeof v);
    step = m / fma(sqrt(v), splat_of(u.second_correction), splat_of(u.epsilon));
  }
  p = fma(splat_of(-u.rate), step, splat_of(u.keep) * p);
  __builtin_memcpy(parameter, &p, sizeof p);
}

template <class T>
static void update(const Update<T>& u, std::size_t count, const T* gradient, T* parameters, T* first,
                   T* second) {
  for (std::size_t i = 0; i < count; i += WIDTH<T>) {
    if (u.kind == OptimiserKind::ADAM)
      follow<OptimiserKind::ADAM>(u, load_of(gradient + i), parameters + i, first + i, second + i);
    else
      follow<OptimiserKind::SGD>(u, load_of(gradient + i), parameters + i, first + i, second + i);
  }
}
