// Eigen on the cases of `exolam bench --peers`: eigen_peer SECONDS < tasks. Sizes known to the compiler where the
// cases are small, as Eigen is fastest so.
#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

#include "peer.h"

template <class T, int Rows, int Cols = Rows>
using Rowwise = Eigen::Matrix<T, Rows, Cols, Eigen::RowMajor>;

template <int N>
static void eigenproblem(const Task& t, double seconds) {
  using M = Eigen::Matrix<double, N, N>;
  Eigen::SelfAdjointEigenSolver<M> solver(t.n);
  Eigen::MatrixXd values(t.n, t.items);
  std::vector<M> vectors(t.items, M::Zero(t.n, t.n));
  long done = 0;
  measure(
      t, "Eigen", N > 0 ? "SelfAdjointEigenSolver, fixed size" : "SelfAdjointEigenSolver", seconds,
      [&](long count) {
        for (long i = 0; i < count; ++i) {
          solver.compute(Eigen::Map<const M>(&t.input[i * t.n * t.n], t.n, t.n));
          values.col(i) = solver.eigenvalues().reverse();
          vectors[i] = solver.eigenvectors();
        }
        done = count;
      },
      [&] { return std::vector<double>(values.data(), values.data() + done * t.n); });
}

template <int N, int M>
static void cholesky(const Task& t, double seconds) {
  using Sides = Rowwise<double, N, M>;
  const double* right_sides = &t.input[t.items * N * N];
  std::vector<double> x(t.items * N * M);
  long done = 0;
  measure(
      t, "Eigen", "LLT, fixed size", seconds,
      [&](long count) {
        for (long i = 0; i < count; ++i) {
          const Eigen::Map<const Eigen::Matrix<double, N, N>> a(&t.input[i * N * N]);
          const Eigen::Map<const Sides> b(right_sides + i * N * M);
          Eigen::Map<Sides> solution(x.data() + i * N * M);
          solution = a.llt().solve(b);
        }
        done = count;
      },
      [&] { return std::vector<double>(x.begin(), x.begin() + done * N * M); });
}

static void moments(const Task& t, double seconds) {
  const Eigen::Map<const Rowwise<double, Eigen::Dynamic>> x(t.input.data(), t.items, t.n);
  const Eigen::Map<const Eigen::RowVectorXd> mean(&t.input[t.items * t.n], t.n);
  const Eigen::MatrixXd centred = (x.rowwise() - mean).transpose();
  Eigen::MatrixXd c(t.n, t.n);
  measure(
      t, "Eigen", "rankUpdate of rows centred beforehand", seconds,
      [&](long rows) {
        c.setZero();
        c.selfadjointView<Eigen::Lower>().rankUpdate(centred.leftCols(rows));
      },
      [&] {
        const Eigen::MatrixXd full = c.selfadjointView<Eigen::Lower>();
        return std::vector<double>(full.data(), full.data() + full.size());
      });
}

template <class T>
static void product(const Task& t, double seconds) {
  using M = Rowwise<T, Eigen::Dynamic>;
  const Eigen::Map<const Rowwise<double, Eigen::Dynamic>> left(t.input.data(), t.n, t.n);
  const Eigen::Map<const Rowwise<double, Eigen::Dynamic>> right(&t.input[t.n * t.n], t.n, t.n);
  const M a = left.cast<T>(), b = right.cast<T>();
  M c(t.n, t.n);
  measure(
      t, "Eigen", "noalias product", seconds,
      [&](long count) {
        for (long i = 0; i < count; ++i) c.noalias() = a * b;
      },
      [&] { return std::vector<double>(c.data(), c.data() + c.size()); });
}

int main(int, char** argv) {
  const double seconds = atof(argv[1]);
  announce("Eigen", std::to_string(EIGEN_WORLD_VERSION) + "." + std::to_string(EIGEN_MAJOR_VERSION) + "." +
                        std::to_string(EIGEN_MINOR_VERSION));
  for (Task t; next(t);) {
    if (t.kind == "eigenproblem") {
      switch (t.n) {
        case 8: eigenproblem<8>(t, seconds); break;
        case 16: eigenproblem<16>(t, seconds); break;
        case 24: eigenproblem<24>(t, seconds); break;
        case 32: eigenproblem<32>(t, seconds); break;
        default: eigenproblem<Eigen::Dynamic>(t, seconds);
      }
    }
    if (t.kind == "cholesky" && t.n == 16 && t.m == 8) cholesky<16, 8>(t, seconds);
    if (t.kind == "moments") moments(t, seconds);
    if (t.kind == "product-f64") product<double>(t, seconds);
    if (t.kind == "product-f32") product<float>(t, seconds);
  }
}
