#include "core/pooled.h"

namespace exo {

namespace {

constexpr std::size_t SMALLEST = 128, SIZES = 8;  // 128 bytes to 16 KiB, doubling
constexpr std::size_t MOST_KEPT = 64;             // of each size: what one problem holds at a time

// Blocks in a chain, the link in the block itself.
struct Block {
  Block* next;
};

struct Chains {
  Block* first[SIZES] = {};
  std::size_t kept[SIZES] = {};
  ~Chains() {
    for (std::size_t i = 0; i < SIZES; ++i) {
      kept[i] = MOST_KEPT;  // what comes back later is not kept
      while (Block* block = first[i]) {
        first[i] = block->next;
        ::operator delete(block);
      }
    }
  }
};

thread_local Chains chains;

std::size_t size_index(std::size_t bytes) {
  std::size_t i = 0;
  while (i < SIZES && (SMALLEST << i) < bytes) ++i;
  return i;
}

}  // namespace

void* take_block(std::size_t bytes) {
  const std::size_t i = size_index(bytes);
  if (i == SIZES) return ::operator new(bytes);
  Block* const block = chains.first[i];
  if (!block) return ::operator new(SMALLEST << i);
  chains.first[i] = block->next;
  --chains.kept[i];
  return block;
}

void return_block(void* block, std::size_t bytes) noexcept {
  const std::size_t i = size_index(bytes);
  if (i == SIZES || chains.kept[i] == MOST_KEPT) return ::operator delete(block);
  chains.first[i] = new (block) Block{chains.first[i]};
  ++chains.kept[i];
}

}  // namespace exo
