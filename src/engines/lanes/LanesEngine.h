// SPDX-License-Identifier: MIT
#pragma once

#include "engines/Engine.h"
#include "engines/lanes/Plans.h"

namespace neml2::aoti
{

/// Evaluates jobs on CPUs with AOT-Inductor's graphs: cuts the batch into chunks that stay in a core's cache,
/// and walks the segments over each.
class LanesEngine : public Engine
{
public:
  /// Throws FatalError.
  explicit LanesEngine(Metadata metadata);

  void run(const Job & job) const override;

private:
  template <typename T>
  class Run;

  std::int64_t grain() const;
  std::int64_t blocks_per_chunk(const Job & job, const DerivativePlan * plan, std::int64_t blocks,
                                int threads) const;

  std::vector<std::unique_ptr<Segment>> _segments;
  bool _implicit = false;
  std::unique_ptr<WorkspacePool> _pool;
  Plans _plans;
};

} // namespace neml2::aoti
