// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <unistd.h>
#include <vector>

namespace neml2::dispatchers
{

/// Threads that do one task after another. Tasks must not throw. Those it has when its life ends are done
/// first. In a process that was forked off there are no such threads.
class Worker
{
public:
  /// What is to be done, by the thread of this number.
  using Task = std::function<void(std::size_t thread)>;

  explicit Worker(std::size_t threads);
  ~Worker();
  Worker(const Worker &) = delete;
  Worker & operator=(const Worker &) = delete;

  /// Throws FatalError in a process that was forked off.
  void post(Task task);

private:
  void work(std::size_t thread);
  void end() noexcept;

  std::mutex _guard;
  std::condition_variable _posted;
  std::deque<Task> _tasks;
  bool _ends = false;
  const pid_t _process = ::getpid();
  std::vector<std::thread> _threads; // the last member: they use the others
};

} // namespace neml2::dispatchers
