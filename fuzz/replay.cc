// The driver of a fuzz target without libFuzzer: runs every file of the corpus folders given, then
// `kMutations` seeded mutations of each. Deterministic, so that a failure in CTest repeats.
//
//   replay CORPUS_DIR...        each input, then its mutations
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;
constexpr int kMutations = 400;

Input ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Input(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

// One small change of the kinds that break parsers: flip, overwrite, cut, repeat, insert.
void Mutate(Input& input, std::mt19937_64& random) {
  const auto below = [&](std::size_t n) { return n == 0 ? 0 : random() % n; };
  const std::size_t at = below(input.size());
  switch (random() % 6) {
    case 0:
      if (!input.empty()) input[at] ^= static_cast<std::uint8_t>(1u << (random() % 8));
      return;
    case 1:
      if (!input.empty()) input[at] = static_cast<std::uint8_t>(random());
      return;
    case 2:
      input.resize(at);
      return;
    case 3: {
      const std::size_t count = below(std::min<std::size_t>(16, input.size() - at + 1));
      const auto start = input.begin() + static_cast<std::ptrdiff_t>(at);
      const Input piece(start, start + static_cast<std::ptrdiff_t>(count));
      input.insert(input.begin() + static_cast<std::ptrdiff_t>(at), piece.begin(), piece.end());
      return;
    }
    case 4:
      input.insert(input.begin() + static_cast<std::ptrdiff_t>(at), 1 + below(4),
                   static_cast<std::uint8_t>(random()));
      return;
    default:
      for (std::size_t i = at; i < std::min(at + 4, input.size()); ++i) {
        input[i] = (random() % 2) != 0 ? 0xff : 0x00;
      }
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    std::fprintf(stderr, "no corpus: give at least one folder with files\n");
    return 2;
  }
  std::size_t runs = 0;
  for (const auto& file : files) {
    const Input original = ReadFile(file);
    LLVMFuzzerTestOneInput(original.data(), original.size());
    std::mt19937_64 random(original.size() + 1);
    for (int i = 0; i < kMutations; ++i, ++runs) {
      Input input = original;
      for (std::uint64_t n = 1 + random() % 4; n > 0; --n) Mutate(input, random);
      LLVMFuzzerTestOneInput(input.data(), input.size());
    }
  }
  std::printf("%zu corpus files, %zu mutations, no failure\n", files.size(), runs);
  return 0;
}
