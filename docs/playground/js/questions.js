// Six questions to find out about. Each sets the controls; `stop` is the noise level at which its run pauses.
// The numbers in the answers are of 2048 points and noise seed 0; tests/playground measures them again.

export const QUESTIONS = [
  {
    ask: "Who makes the outliers: the model or the sampler?",
    set: { method: "exact" },
    look:
      "The right picture follows the exact score, which only a made-up world offers. The sampler is the same on " +
      "both sides. Compare the two numbers of outliers.",
    answer:
      "The exact score leaves 1.1 % outliers. That is the floor: 1 % of true samples lie outside the region, too. " +
      "The trained model leaves 11.8 %. So the model makes the outliers, and guidance has to correct the model.",
  },
  {
    ask: "Make the outliers vanish. What did it cost?",
    set: { method: "truncation", factor: 1.4 },
    look:
      "Truncation needs no guide. It makes the score longer by a factor. Watch the outliers, then the leaves lost. " +
      "Then look for the twigs at the ends of the tree, and try smaller factors.",
    answer:
      "At × 1.4 no outlier is left, and neither is any of the 64 leaves. At × 1.1 the outliers fall from 11.8 % to " +
      "4.7 %, but 46 leaves are lost. All samples are drawn to the thick branches. One number alone does not judge " +
      "a method.",
  },
  {
    ask: "Where does CFG push the samples?",
    set: { method: "cfg", w: 4, pull: 1 },
    stop: 0.5,
    look:
      "The run pauses at σ ≈ 0.5. The colours show where the main model (orange) and the guide (purple) believe " +
      "more. Move the pointer over the right picture: the green arrow is what guidance adds. Does it point the same " +
      "way everywhere? Then play on.",
    answer:
      "It points away from the other class (grey), nearly everywhere. All samples move to one side, and the trunk " +
      "is left almost empty: branch TV rises from 0.070 to 0.627. Now choose autoguidance: its arrows point in many " +
      "directions.",
  },
  {
    ask: "Find a weight at which CFG beats autoguidance.",
    set: { method: "cfg", w: 3 },
    look:
      "At w = 3 CFG leaves 12.0 % outliers, autoguidance 10.6 %. Try small weights with both methods. Compare " +
      "outliers first. Then look at the plot: which method has fewer outliers at equal branch TV?",
    answer:
      "At w = 1.25 CFG leaves fewer outliers than autoguidance with each of the four training seeds: 9.4 % against " +
      "9.9 % with seed 0. But it also pays more: its branch TV is 0.120 against 0.085. With about that branch TV, " +
      "autoguidance (w = 1.7) leaves 8.8 %.",
  },
  {
    ask: "At which noise levels does guidance help?",
    set: { method: "autoguidance", guide: "early", w: 3, lo: 0, hi: 0.06 },
    look:
      "The guide acts at low noise only, for σ up to 0.06. Compare both meters with no guidance. Then move the " +
      "handles so that it acts at high noise only, from 0.5 up.",
    answer:
      "At low noise only, outliers fall from 11.8 % to 7.9 %, and branch TV rises from 0.070 to just 0.095. At high " +
      "noise only, outliers do not fall (13.9 %), and branch TV rises to 0.171. High noise decides to which branch " +
      "a sample goes. Low noise decides how well it arrives.",
  },
  {
    ask: "Why do some points fly off?",
    set: { method: "autoguidance", seed: 3, w: 3 },
    look:
      "This is training seed 3. The triangles at the edge are points that flew off. Drag the slider below the " +
      "pictures to the left and find the noise level at which they leave. Then try training seed 0, and the guide " +
      "that is less trained only.",
    answer:
      "With seed 3, 6.1 % of the points fly off; with seed 0, 0.05 %. In some training runs the model's density " +
      "grows without bound far from the data, and guidance sends points there. With a guide that is less trained " +
      "only, it is 0.1 %.",
  },
];
