/** Where editors look for the schema of job files, for completion and checks while writing: beside the job file. */
const SCHEMA_FILE = 'job-file.schema.json';

/** What `evolink run --init` writes: runs as it stands in the sandbox, and shows every part of a job file. */
export const EXAMPLE_JOB_FILE = `# yaml-language-server: $schema=./${SCHEMA_FILE}
# For completion and checks in your editor: evolink schema > ${SCHEMA_FILE}
#
#   evolink run evolink.yaml --sandbox   rehearse: no key, no network, no cost
#   evolink run evolink.yaml --dry-run   the plan: what is new, what it costs; sends nothing
#   evolink run evolink.yaml             make what is missing or has changed, nothing else
#
# Commit this file. Keep the folder of clips (with the .json beside each) in the cache of your CI: what is there and
# unchanged is never bought again.
version: 1

# For all jobs that do not say otherwise.
defaults:
  tier: mini
  quality: 480p
  duration: 4
  # Fields: {job} {index} {ratio} {quality} {duration} {tier} {model} {operation} {slug} {date}
  output: "out/{job}-{ratio}.mp4"

# {{name}} stands for a value in every text; here for all jobs, in a job for that job.
vars:
  tone: warm morning light, slow camera

jobs:
  # One clip for each ratio.
  hero:
    type: t2v
    prompt: "A paper boat on a lake, {{tone}}"
    matrix:
      aspect_ratio: ["16:9", "9:16"]

  # One clip for each row and language. Rows may also stand in a file: for_each: products.csv (or .json, .yaml)
  product:
    type: t2v
    prompt: "{{name}} on a marble table, {{tone}}. A caption in {{language}}."
    for_each:
      - { sku: frog-01, name: A green glass frog }
      - { sku: lamp-02, name: A brass desk lamp }
    matrix:
      language: [English, Korean]
      exclude:
        - { language: Korean, aspect_ratio: "1:1" }
      aspect_ratio: ["1:1", "16:9"]

  # Reference media: addresses, or files beside this one. "image 1" in the prompt is the first image.
  # style:
  #   type: ref
  #   tier: standard
  #   prompt: "A harbour at dawn in the art style of image 1"
  #   images: [https://example.com/style.png]
`;
