// SPDX-License-Identifier: MIT
#include "dispatchers/Worker.h"

#include "neml2/aoti/exceptions.h"

namespace neml2::dispatchers
{

Worker::Worker(std::size_t threads)
{
  try
  {
    for (std::size_t thread = 0; thread < threads; thread++)
      _threads.emplace_back(&Worker::work, this, thread);
  }
  catch (...)
  {
    end();
    throw;
  }
}

Worker::~Worker()
{
  end();
}

void Worker::end() noexcept
{
  if (::getpid() != _process)
  {
    for (auto & thread : _threads)
      thread.detach(); // they were left behind in the parent
    return;
  }
  {
    const std::lock_guard lock(_guard);
    _ends = true;
  }
  _posted.notify_all();
  for (auto & thread : _threads)
    thread.join();
}

void Worker::post(Task task)
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

void Worker::work(std::size_t thread)
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
    task(thread);
  }
}

} // namespace neml2::dispatchers
