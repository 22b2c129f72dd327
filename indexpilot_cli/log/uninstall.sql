DROP TABLE IF EXISTS {schema}.calibrations, {schema}.interceptor_outcomes, {schema}.lifecycle_policies, {schema}.lifecycle_runs, {schema}.idle_runs, {schema}.plan_approvals, {schema}.runtime_switch, {schema}.algorithm_usage, {schema}.ml_model_metadata,
    {schema}.ab_experiment_results, {schema}.ab_experiments, {schema}.explain_statistics, {schema}.counter_snapshots, {schema}.index_versions,
    {schema}.ignored_advice, {schema}.plans, {schema}.query_stats, {schema}.mutation_log,
    {schema}.expression_profile, {schema}.genome_identity, {schema}.genome_catalog, {schema}.schema_version;

DROP FUNCTION IF EXISTS {schema}.refuse_rewriting(), {schema}.touch_genome();
