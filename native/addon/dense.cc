// Dense algebra, and the kernels that bench times (lib/backend/requests.ts).
#include "addon/calls.h"

#include "addon/reading.h"
#include "addon/task.h"
#include "core/stages.h"

namespace exo {
namespace {

// symmetricEigen(request: { matrices, n, count, values, vectors }): Promise<void>
Napi::Value symmetric_eigen_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  const std::size_t n = r.size("n"), count = r.size("count");
  check(r, n > 0, "n: expected at least one");
  const double* matrices = r.array<double>("matrices", times({count, n, n}));
  double* values = r.array<double>("values", times({count, n}));
  double* vectors = r.array<double>("vectors", times({count, n, n}));
  return Task::start(r, [=](const Kernels& kernels, Job& job) {
    symmetric_eigen(kernels, matrices, n, count, values, vectors, job);
  });
}

// multiply(request: MultiplyRequest & { product }): Promise<void>
Napi::Value multiply_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  const std::size_t rows = r.size("rows"), inner = r.size("inner"), cols = r.size("cols");
  check(r, rows > 0 && inner > 0 && cols > 0, "rows, inner, cols: expected at least one");
  const bool transpose_a = r.size("transposeA") != 0, transpose_b = r.size("transposeB") != 0;
  const double* a = r.array<double>("a", times({rows, inner}));
  const double* b = r.array<double>("b", times({inner, cols}));
  double* product = r.array<double>("product", times({rows, cols}));
  return Task::start(r, [=](const Kernels& kernels, Job& job) {
    multiply(kernels, transpose_a, transpose_b, rows, cols, inner, a, b, product, job);
  });
}

// choleskySolve(request: { matrices, rightSides, n, m, count, solutions }): Promise<void>
Napi::Value cholesky_solve_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  const std::size_t n = r.size("n"), m = r.size("m"), count = r.size("count");
  check(r, n > 0 && m > 0, "n, m: expected at least one");
  const double* matrices = r.array<double>("matrices", times({count, n, n}));
  const double* right_sides = r.array<double>("rightSides", times({count, n, m}));
  double* solutions = r.array<double>("solutions", times({count, n, m}));
  return Task::start(r, [=](const Kernels& kernels, Job& job) {
    cholesky_solve(kernels, matrices, right_sides, n, m, count, solutions, job);
  });
}

// fmaPeak(request: { rounds }): number, the floating-point operations done. On the calling thread: it is
// timed.
Napi::Value fma_peak_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  const Kernels& kernels = kernels_of(r);
  double sum;
  return Napi::Number::New(call.Env(), kernels.fma_peak(r.size("rounds"), &sum));
}

template <class T, class Gemm>
void multiply(Request& r, Gemm gemm) {
  const std::size_t n = r.size("n");
  const T* a = r.array<T>("a", times({n, n}));
  const T* b = r.array<T>("b", times({n, n}));
  T* c = r.array<T>("c", times({n, n}));
  for (std::size_t rounds = r.size("rounds"); rounds > 0; --rounds)
    gemm(false, false, n, n, n, T(1), a, n, b, n, T(0), c, n);
}

// product(request: { a, b, c, n, rounds }): void, all arrays f64 or all f32. On the calling thread: it is
// timed.
Napi::Value product_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  const Kernels& kernels = kernels_of(r);
  const Napi::Value c = call[0].As<Napi::Object>().Get("c");
  if (c.IsTypedArray() && c.As<Napi::TypedArray>().TypedArrayType() == napi_float32_array)
    multiply<float>(r, kernels.gemm_f32);
  else
    multiply<double>(r, kernels.gemm);
  return call.Env().Undefined();
}

}  // namespace

void export_dense(Napi::Env env, Napi::Object exports) {
  exports.Set("symmetricEigen", Napi::Function::New(env, symmetric_eigen_call));
  exports.Set("multiply", Napi::Function::New(env, multiply_call));
  exports.Set("choleskySolve", Napi::Function::New(env, cholesky_solve_call));
  exports.Set("fmaPeak", Napi::Function::New(env, fma_peak_call));
  exports.Set("product", Napi::Function::New(env, product_call));
}

}  // namespace exo
