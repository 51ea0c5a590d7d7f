// SPDX-License-Identifier: MIT
#include "dispatchers/Worker.h"

#include "neml2/aoti/exceptions.h"

namespace neml2::dispatchers
{

Worker::~Worker()
{
  if (::getpid() != _process)
  {
    _thread.detach(); // it was left behind in the parent
    return;
  }
  {
    const std::lock_guard lock(_guard);
    _ends = true;
  }
  _posted.notify_one();
  _thread.join();
}

void Worker::post(std::function<void()> task)
{
  if (::getpid() != _process)
    throw aoti::FatalError(
        "this process was forked off after the model was loaded for several devices, whose "
        "threads stayed behind; load it again here");
  {
    const std::lock_guard lock(_guard);
    _tasks.push_back(std::move(task));
  }
  _posted.notify_one();
}

void Worker::work()
{
  while (true)
  {
    std::unique_lock lock(_guard);
    _posted.wait(lock, [this] { return _ends || !_tasks.empty(); });
    if (_tasks.empty())
      return;
    const auto task = std::move(_tasks.front());
    _tasks.pop_front();
    lock.unlock();
    task();
  }
}

} // namespace neml2::dispatchers
