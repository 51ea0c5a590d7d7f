// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <unistd.h>

namespace neml2::dispatchers
{

/// A thread that does one task after another. Tasks must not throw. Those it has when its life ends are done
/// first. In a process that was forked off there is no such thread.
class Worker
{
public:
  Worker() : _thread(&Worker::work, this) {}
  ~Worker();
  Worker(const Worker &) = delete;
  Worker & operator=(const Worker &) = delete;

  /// Throws FatalError in a process that was forked off.
  void post(std::function<void()> task);

private:
  void work();

  std::mutex _guard;
  std::condition_variable _posted;
  std::deque<std::function<void()>> _tasks;
  bool _ends = false;
  const pid_t _process = ::getpid();
  std::thread _thread; // the last member: it uses the others
};

} // namespace neml2::dispatchers
