// The multiply-adds per second that a number of threads reach with vpdpbusd on registers alone: vnni_peak THREADS MILLISECONDS.
// Each thread counts its best stretch, so that other work on the machine does not lower the peak. Prints 0 on a processor without the instruction.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
// Chains of sums that do not wait for each other: more than latency times instructions per cycle. What the registers hold does not matter.
#define CHAIN(sum) "vpdpbusd %%zmm0, %%zmm1, %%zmm" #sum "\n\t"
#define ALL_CHAINS                                                                                      \
  CHAIN(8) CHAIN(9) CHAIN(10) CHAIN(11) CHAIN(12) CHAIN(13) CHAIN(14) CHAIN(15) CHAIN(16) CHAIN(17)     \
  CHAIN(18) CHAIN(19) CHAIN(20) CHAIN(21) CHAIN(22) CHAIN(23)
constexpr int kChains = 16;
constexpr long kRepetitions = 20000;
constexpr double kMultiplyAdds = 64;

__attribute__((target("avx512f"))) double rate(double milliseconds) {
  double best = 0;
  for (const auto end = Clock::now() + std::chrono::duration<double, std::milli>(milliseconds); Clock::now() < end;) {
    const auto begin = Clock::now();
    long left = kRepetitions;
    asm volatile("1:\n\t" ALL_CHAINS "dec %0\n\tjnz 1b"
                 : "+r"(left)
                 :
                 : "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19",
                   "xmm20", "xmm21", "xmm22", "xmm23", "cc");
    const std::chrono::duration<double> seconds = Clock::now() - begin;
    best = std::max(best, kRepetitions * kChains * kMultiplyAdds / seconds.count());
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  __builtin_cpu_init();
  if (argc != 3 || !__builtin_cpu_supports("avx512vnni")) {
    std::puts("0");
    return 0;
  }
  const int threads = std::atoi(argv[1]);
  std::vector<double> rates(threads);
  std::vector<std::thread> team;
  for (int i = 0; i < threads; i++) team.emplace_back([&, i] { rates[i] = rate(std::atof(argv[2])); });
  for (std::thread& member : team) member.join();
  double sum = 0;
  for (const double each : rates) sum += each;
  std::printf("%.0f\n", sum);
}
