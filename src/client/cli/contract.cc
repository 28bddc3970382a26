// contract new, sign, verify, show: what the owner of a dataset allows.
#include "shared/wire/contract.h"

#include <memory>

#include "client/cli/commands.h"
#include "client/cli/render.h"
#include "client/core/contract_file.h"
#include "client/core/number.h"
#include "client/core/table.h"

namespace anchorhold::client {
namespace {

struct NewOptions {
  std::string dataset;
  std::string schema;
  std::string rows;
  std::string epsilon;
  std::string delta;
  std::string expires;
  std::vector<std::string> grants;
  std::string policy;
  std::string out;
};

Json ContractJson(const wire::Contract& contract) {
  Json measurements = Json::array();
  for (const Bytes& measurement : contract.measurements) measurements.push_back(ToHex(measurement));
  Json grants = Json::array();
  for (const wire::Grant& grant : contract.grants) {
    grants.push_back({{"researcher", grant.researcher.hex()},
                      {"purposes", grant.purposes},
                      {"epsilon", grant.epsilon.value()}});
  }
  return {{"dataset", contract.dataset},
          {"schema_sha256", contract.schema_sha256.hex()},
          {"public_rows", contract.public_rows},
          {"expires", FormatTime(contract.expires)},
          {"epsilon", contract.epsilon.value()},
          {"delta", contract.delta.value()},
          {"platforms", contract.platforms},
          {"measurements", measurements},
          {"grants", grants}};
}

std::string ContractText(const wire::Contract& contract) {
  std::vector<std::pair<std::string, std::string>> facts = {
      {"dataset", contract.dataset},
      {"rows told", std::to_string(contract.public_rows)},
      {"budget", "epsilon " + FormatNumber(contract.epsilon.value()) + " at delta " +
                     FormatNumber(contract.delta.value()) + ", of everything released"},
      {"expires", FormatTime(contract.expires)},
      {"platforms", Join(contract.platforms)}};
  for (const Bytes& measurement : contract.measurements) {
    facts.emplace_back("measurement", ToHex(measurement));
  }
  facts.emplace_back("schema", contract.schema_sha256.hex());
  for (const wire::Grant& grant : contract.grants) {
    facts.emplace_back("grant", grant.researcher.hex() + " " + Join(grant.purposes) + ", epsilon " +
                                    FormatNumber(grant.epsilon.value()));
  }
  if (contract.grants.empty()) facts.emplace_back("grants", "none: nobody may use the data yet");
  return FactLines(facts);
}

Status RunNew(const App& app, const NewOptions& options) {
  ContractDraft draft;
  draft.dataset = options.dataset;
  AH_ASSIGN_OR_RETURN(draft.public_rows, ParsePositiveCount("--rows", options.rows));
  AH_ASSIGN_OR_RETURN(draft.epsilon, ParseEpsilon("--epsilon", options.epsilon));
  AH_ASSIGN_OR_RETURN(draft.delta, ParseDelta("--delta", options.delta));
  const auto expires = ParseTime(options.expires);
  if (!expires.ok()) return expires.error().At("--expires");
  if (*expires <= app.clock().Now()) {
    return InvalidInput("this time has passed; a contract must expire in the future")
        .At("--expires");
  }
  draft.expires = *expires;
  for (const std::string& text : options.grants) {
    AH_ASSIGN_OR_RETURN(const auto grant, ParseGrant(text));
    draft.grants.push_back(grant);
  }
  AH_ASSIGN_OR_RETURN(const SchemaFile schema, ReadSchemaFile(options.schema));
  draft.schema_sha256 = crypto::Sha256(schema.text);
  AH_ASSIGN_OR_RETURN(const Home home, app.FindHome());
  AH_ASSIGN_OR_RETURN(draft.enclave, home.LoadPolicy(options.policy));
  AH_ASSIGN_OR_RETURN(const std::string text, FormatContract(draft));
  AH_RETURN_IF_ERROR(WriteWholeFile(options.out, AsBytes(text), IfExists::kRefuse));
  AH_ASSIGN_OR_RETURN(const wire::Contract contract, wire::ParseContract(AsBytes(text)));
  if (app.json()) app.PrintJson({{"path", options.out}, {"contract", ContractJson(contract)}});
  app.Print("Wrote " + options.out + ". Read it, then run 'anchorhold contract sign " +
            options.out + "'.\n");
  return Ok();
}

Status RunSign(const App& app, const std::string& path) {
  AH_ASSIGN_OR_RETURN(const Home home, app.FindHome());
  AH_ASSIGN_OR_RETURN(const auto key, home.LoadKey());
  AH_ASSIGN_OR_RETURN(const ContractFile file, SignContractFile(path, key, app.clock().Now()));
  const std::string signer = crypto::FingerprintOf(key.public_key()).hex();
  if (app.json()) {
    app.PrintJson({{"path", SignaturePath(path)},
                   {"signer", signer},
                   {"contract", ContractJson(file.contract)}});
  }
  app.Print(ContractText(file.contract) +
            FactLines({{"signed by", signer}, {"signature", SignaturePath(path)}}));
  return Ok();
}

Status RunVerify(const App& app, const std::string& path) {
  AH_ASSIGN_OR_RETURN(const SignedContract signed_contract,
                      ReadSignedContract(path, app.clock().Now()));
  const std::string signer = crypto::FingerprintOf(signed_contract.signature.key).hex();
  if (app.json()) {
    app.PrintJson({{"valid", true},
                   {"signer", signer},
                   {"contract", ContractJson(signed_contract.file.contract)}});
  }
  app.Print("The signature holds, and the contract has not expired.\n" +
            FactLines({{"signed by", signer}}));
  return Ok();
}

Status RunShow(const App& app, const std::string& path) {
  AH_ASSIGN_OR_RETURN(const ContractFile file, ReadContractFile(path));
  if (app.json()) app.PrintJson({{"contract", ContractJson(file.contract)}});
  app.Print(ContractText(file.contract));
  return Ok();
}

void AddNewOptions(CLI::App* command, NewOptions& options) {
  const auto add = [command](const char* name, std::string& value, const char* type,
                             const char* help) {
    return command->add_option(name, value, help)->type_name(type);
  };
  add("--dataset", options.dataset, "NAME",
      "Name of the dataset: 1 to 64 of a-z, 0-9 and '-', a letter or digit first.")
      ->required();
  add("--schema", options.schema, "FILE", "The schema of the dataset's table.")->required();
  add("--rows", options.rows, "N", "Number of rows that researchers are told; at least 1.")
      ->required();
  add("--epsilon", options.epsilon, "E",
      "Budget of everything ever released, composed; above 0 and finite.")
      ->required();
  add("--delta", options.delta, "D", "Between 0 and 1, and below 1/rows.")->required();
  add("--expires", options.expires, "TIME",
      "After this no job may start; UTC, as 2030-01-01T00:00:00Z.")
      ->required();
  command
      ->add_option("--grant", options.grants,
                   "Lets a researcher train, and bounds what is released to them. Repeatable.")
      ->type_name("FINGERPRINT:EPSILON")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1);
  add("--policy", options.policy, "FILE",
      "Platforms and measurements that may open the data. Default: policy.toml in your home.");
  add("--out", options.out, "FILE", "Where to write the contract.")->required();
}

}  // namespace

void AddContractCommands(App& app, CLI::App& cli) {
  CLI::App* const contract = app.AddGroup(
      cli, "contract", "Write, sign and check contracts: what the owner of a dataset allows.");

  const auto options = std::make_shared<NewOptions>();
  CLI::App* const create = app.AddCommand(
      *contract, "new", "Write a contract for a dataset, to be read and signed.",
      "anchorhold contract new --dataset cancer-centre --schema schema.toml --rows 200 "
      "--epsilon 3\n    --delta 1e-4 --expires 2030-01-01T00:00:00Z --grant FINGERPRINT:1.5 "
      "--out contract.toml",
      [&app, options] { return RunNew(app, *options); });
  AddNewOptions(create, *options);
  app.AddHomeOption(create);
  app.AddJsonOption(create);

  const auto path = std::make_shared<std::string>();
  const auto add = [&](const char* name, const char* purpose,
                       Status (*run)(const App&, const std::string&)) {
    CLI::App* const command = app.AddCommand(
        *contract, name, purpose, "anchorhold contract " + std::string(name) + " contract.toml",
        [&app, path, run] { return run(app, *path); });
    command->add_option("contract", *path, "The contract's TOML file.")
        ->type_name("FILE")
        ->required();
    app.AddJsonOption(command);
    return command;
  };
  app.AddHomeOption(
      add("sign", "Sign a contract with your key; writes FILE.sig beside it.", RunSign));
  add("verify", "Check a contract's signature and expiry.", RunVerify);
  add("show", "Print what a contract says; checks neither signature nor expiry.", RunShow);
}

}  // namespace anchorhold::client
