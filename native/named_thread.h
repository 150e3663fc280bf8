// Threads of our own: named, so that one can tell them from others, and without signals, which belong to Node.js.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <string>
#include <thread>
#include <utility>

namespace unskew {

// Starts a thread that nobody waits for. Throws std::system_error. The name has at most 15 bytes.
template <class Body>
void start_thread(const std::string& name, Body body) {
  sigset_t all, before;
  sigfillset(&all);
  for (int crash : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigdelset(&all, crash);  // of the thread itself
  pthread_sigmask(SIG_SETMASK, &all, &before);
  struct Restore {
    const sigset_t& mask;
    ~Restore() { pthread_sigmask(SIG_SETMASK, &mask, nullptr); }
  } restore{before};
  std::thread thread(std::move(body));
  pthread_setname_np(thread.native_handle(), name.c_str());
  thread.detach();
}

}  // namespace unskew
