// jobs list, jobs watch: what became of one's jobs.
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/outcome.h"
#include "client/core/catalog.h"
#include "client/core/messages.h"
#include "client/core/number.h"

namespace anchorhold::client {
namespace {

struct WatchOptions {
  std::string job;
  OutcomeFolder out;
  bool force = false;
};

std::vector<std::string> DatasetsOf(const wire::proto::JobSummary& job) {
  std::vector<std::string> names;
  for (const std::string& name : job.datasets()) names.push_back(OneLine(name));
  return names;
}

Status RunList(const App& app) {
  AH_ASSIGN_OR_RETURN(Session session, app.Connect());
  AH_ASSIGN_OR_RETURN(const auto jobs, ListJobs(session));
  if (app.json()) {
    Json list = Json::array();
    for (const auto& job : jobs) {
      list.push_back({{"job", job.job()},
                      {"state", job.state()},
                      {"datasets", DatasetsOf(job)},
                      {"epsilon", job.epsilon()},
                      {"steps", job.steps()}});
    }
    app.PrintJson({{"jobs", list}});
    return Ok();
  }
  if (jobs.empty()) {
    app.Print("You have no jobs. 'anchorhold train' makes one.\n");
    return Ok();
  }
  TextTable table({"JOB", "STATE", "EPSILON", "STEPS", "DATASETS"});
  for (const auto& job : jobs) {
    table.AddRow({std::to_string(job.job()), OneLine(job.state()), ShortNumber(job.epsilon()),
                  std::to_string(job.steps()), Join(DatasetsOf(job))});
  }
  app.Print(table.Text());
  return Ok();
}

Status RunWatch(const App& app, WatchOptions& options) {
  AH_ASSIGN_OR_RETURN(const std::uint64_t job, ParsePositiveCount("ID", options.job));
  options.out.if_exists = options.force ? IfExists::kReplace : IfExists::kRefuse;
  AH_RETURN_IF_ERROR(options.out.CheckFree());
  AH_ASSIGN_OR_RETURN(Session session, app.Connect());
  const Result<JobOutcome> outcome = [&] {
    JobProgressView view(app.progress_stream(), 0);
    return WatchJob(session, job, [&](const auto& progress) { view.Show(progress); });
  }();
  if (!outcome.ok()) return outcome.error();
  return PresentOutcome(app, options.out, *outcome);
}

}  // namespace

void AddJobsCommands(App& app, CLI::App& cli) {
  CLI::App* const jobs = app.AddGroup(cli, "jobs", "List and follow your training jobs.");
  CLI::App* const list = app.AddCommand(*jobs, "list", "List your jobs.", "anchorhold jobs list",
                                        [&app] { return RunList(app); });
  app.AddConnectOptions(list);
  app.AddJsonOption(list);

  const auto options = std::make_shared<WatchOptions>();
  CLI::App* const watch = app.AddCommand(
      *jobs, "watch", "Follow a job to its end, or fetch a finished one's weights and receipt.",
      "anchorhold jobs watch 3 --out result", [&app, options] { return RunWatch(app, *options); });
  watch->add_option("job", options->job, "The job's number.")->type_name("ID")->required();
  AddOutcomeOptions(watch, options->out, options->force);
  app.AddConnectOptions(watch);
  app.AddJsonOption(watch);
}

}  // namespace anchorhold::client
