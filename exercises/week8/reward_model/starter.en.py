# %% [markdown]
# # A reward model
#
# RLHF's second step (Ouyang et al. 2022, "InstructGPT", arXiv 2203.02155, section 3.5): a number
# for each answer, learned from pairs alone. P(chosen ≻ rejected) = σ(r_chosen - r_rejected), the
# Bradley-Terry model. Then the same pairs as DPO sees them: its implicit reward.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Run with `tutor run week8/reward_model`, grade with `tutor check week8/reward_model`.

# %%
import torch
from safetensors.torch import save_file

from exercises import lab
from exercises.week8 import preference_data

SEED = 0
PAIRS = 120  # of the 240 for training
STEPS = 200
BATCH = 8
DPO_ADAPTER = ""  # the folder "adapter" that a run of your week8/dpo left, to compare with

# %% [markdown]
# ## 1. The Bradley-Terry loss
#
# What is it for a difference of -120, in float32? And how steep is it at a tie?


# %%
def bradley_terry_loss(chosen, rejected, margin=None):
    """Return the mean over the pairs of -ln σ(chosen - rejected - margin), a scalar.

    chosen, rejected: (n,) rewards. margin: (n,), how much better the chosen answer is, or None.
    """
    raise NotImplementedError("bradley_terry_loss: difference, margin, a stable -ln σ, mean")


# %% [markdown]
# ## 2. What the head reads
#
# In a causal model only the last token has seen the whole answer. Print the ids of a padded batch
# before you look for it.


# %%
def last_states(trunk, input_ids, attention_mask):
    """Return (n, H): the last layer's state of each row's last token that is not padding.

    trunk: the model without its output layer (`model.model` of a causal LM). Padding may be on
    either side, and its id may be a token of the text.
    """
    raise NotImplementedError("last_states: the trunk's states, and one position of each row")


@torch.no_grad()
def answer_states(model, tokenizer, rows, answer):
    """Return (n, H) in float32: the state after row["prompt"], in the chat format, row[answer] and
    its end token. No gradient: the trunk is frozen."""
    raise NotImplementedError("answer_states: texts, batches, states")


# %% [markdown]
# ## 3. The head
#
# One vector, trained on states computed once. Call lab.report(step, STEPS, loss) in your loop, and
# the run shows the curve.


# %%
def train_head(chosen, rejected):
    """Return nn.Linear(H, 1) trained on the states of the pairs, (n, H) each.

    The same states give the same head.
    """
    raise NotImplementedError("train_head: head, optimizer, steps")


@torch.no_grad()
def center(head, chosen, rejected):
    """Set the head's bias so that its mean reward over all these answers is 0; return the head.

    The loss does not see the bias: it falls out of every difference.
    """
    raise NotImplementedError("center: one mean, one bias")


# %% [markdown]
# ## 4. Best of n
#
# What a reward model is for without any reinforcement learning.


# %%
@torch.no_grad()
def rerank(model, head, tokenizer, prompt, answers):
    """Return [(answer, reward), …] of the answers to one prompt, the best first."""
    raise NotImplementedError("rerank: rows, rewards, order")


# %% [markdown]
# ## 5. DPO's implicit reward
#
# β · (log π - log π_ref) of an answer, given its prompt: up to a number that only the prompt
# decides (DPO paper, equation 5). So two models are compared by what they say within a pair.
# Your answer_log_probs of week8/dpo does most of it.


# %%
def implicit_rewards(model, tokenizer, rows, beta):
    """Return (chosen, rejected), each (n,): β · (log π - log π_ref).

    model: a PeftModel; without its adapter it is the reference.
    """
    raise NotImplementedError("implicit_rewards: policy and reference, chosen and rejected")


def compare(first, second):
    """Return {"agreement", "correlation"} of two models' rewards of the same pairs.

    first, second: (chosen, rejected), each (n,). agreement: the share of pairs that both put in
    the same order. correlation: Pearson's, of the differences chosen - rejected.
    """
    raise NotImplementedError("compare: differences within the pairs, then two figures")


# %%
def main():
    model, tokenizer = lab.load_base()
    train, held_out = preference_data.pairs()
    states = {
        name: answer_states(model, tokenizer, train[:PAIRS], name)
        for name in ("chosen", "rejected")
    }
    save_file(states, lab.run_dir() / "states.safetensors")
    head = center(train_head(**states), **states)
    save_file(head.state_dict(), lab.run_dir() / "head.safetensors")

    with torch.no_grad():
        chosen, rejected = (
            head(answer_states(model, tokenizer, held_out, name)).squeeze(-1)
            for name in ("chosen", "rejected")
        )
    for n, kind in enumerate(preference_data.KINDS):
        print(f"{kind}: {(chosen > rejected)[n :: len(preference_data.KINDS)].float().mean():.2f}")
    row = held_out[2]
    answers = [row["rejected"], "I do not know.", row["chosen"], row["chosen"].upper()]
    print(row["prompt"])
    for answer, reward in rerank(model, head, tokenizer, row["prompt"], answers):
        print(f"{reward:+.2f}  {answer}")
    if DPO_ADAPTER:
        from peft import PeftModel

        policy = PeftModel.from_pretrained(model, DPO_ADAPTER)
        few = slice(36)  # what week8/dpo measures
        implicit = implicit_rewards(policy, tokenizer, held_out[few], beta=0.1)
        print(compare((chosen[few], rejected[few]), implicit))


if __name__ == "__main__":
    main()
