// Outcome of one problem: STATUS in lib/backend/requests.ts, sentences in lib/backend/status.ts.
#pragma once
#include <cstdint>

namespace exo {

enum Status : std::uint8_t { OK, NON_FINITE, NOT_CONVERGED, EMPTY_PROBLEM };

}  // namespace exo
