# %% [markdown]
# # A reward model
#
# RLHF's second step (Ouyang et al. 2022, "InstructGPT", arXiv 2203.02155, section 3.5): a number
# for each answer, learned from pairs alone. P(chosen ≻ rejected) = σ(r_chosen - r_rejected), the
# Bradley-Terry model. Then the same pairs as DPO sees them: its implicit reward.

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


# %%
def bradley_terry_loss(chosen, rejected, margin=None):
    """Return the mean over the pairs of -ln σ(chosen - rejected - margin), a scalar.

    chosen, rejected: (n,) rewards. margin: (n,), how much better the chosen answer is, or None.
    """
    difference = chosen - rejected
    if margin is not None:
        difference = difference - margin
    # -ln σ(x) = ln(1 + e^-x) = ln(e^0 + e^-x): no exponential overflows, and at a tie, where a
    # head of zeros begins, the slope is -1/2 (relu(-x) + log1p(exp(-|x|)) has none there).
    return torch.logaddexp(torch.zeros_like(difference), -difference).mean()


# %% [markdown]
# ## 2. What the head reads
#
# In a causal model only the last token has seen the whole answer.


# %%
def last_states(trunk, input_ids, attention_mask):
    """Return (n, H): the last layer's state of each row's last token that is not padding.

    trunk: the model without its output layer (`model.model` of a causal LM). Padding may be on
    either side, and its id may be a token of the text.
    """
    states = trunk(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
    places = torch.arange(attention_mask.shape[1], device=attention_mask.device)
    last = (places * attention_mask).argmax(dim=1)
    return states[torch.arange(len(last), device=last.device), last]


@torch.no_grad()
def answer_states(model, tokenizer, rows, answer):
    """Return (n, H) in float32: the state after row["prompt"], in the chat format, row[answer] and
    its end token. No gradient: the trunk is frozen."""
    model.eval()
    texts = []
    for row in rows:
        user = [{"role": "user", "content": row["prompt"]}]
        prompt = tokenizer.apply_chat_template(user, tokenize=False, add_generation_prompt=True)
        texts.append(prompt + row[answer] + tokenizer.eos_token)
    states = []
    for start in range(0, len(texts), BATCH):
        batch = tokenizer(
            texts[start : start + BATCH],
            add_special_tokens=False,
            padding=True,
            return_tensors="pt",
        ).to(model.device)
        states.append(last_states(model.model, batch["input_ids"], batch["attention_mask"]))
    return torch.cat(states).float().cpu()


# %% [markdown]
# ## 3. The head
#
# One vector, trained on states computed once.


# %%
def train_head(chosen, rejected):
    """Return nn.Linear(H, 1) trained on the states of the pairs, (n, H) each.

    The same states give the same head.
    """
    torch.manual_seed(SEED)
    head = torch.nn.Linear(chosen.shape[1], 1)
    torch.nn.init.zeros_(head.weight)  # the first loss is ln 2, whatever the seed
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3, weight_decay=0.1)
    for step in range(STEPS):
        loss = bradley_terry_loss(head(chosen).squeeze(-1), head(rejected).squeeze(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        lab.report(step + 1, STEPS, loss.item())
    return head


@torch.no_grad()
def center(head, chosen, rejected):
    """Set the head's bias so that its mean reward over all these answers is 0; return the head.

    The loss does not see the bias: it falls out of every difference.
    """
    head.bias -= head(torch.cat([chosen, rejected])).mean()
    return head


# %% [markdown]
# ## 4. Best of n


# %%
@torch.no_grad()
def rerank(model, head, tokenizer, prompt, answers):
    """Return [(answer, reward), …] of the answers to one prompt, the best first."""
    rows = [{"prompt": prompt, "answer": answer} for answer in answers]
    rewards = head(answer_states(model, tokenizer, rows, "answer")).squeeze(-1).tolist()
    return sorted(zip(answers, rewards, strict=True), key=lambda pair: pair[1], reverse=True)


# %% [markdown]
# ## 5. DPO's implicit reward
#
# β · (log π - log π_ref) of an answer, given its prompt: up to a number that only the prompt
# decides (DPO paper, equation 5). So two models are compared by what they say within a pair.


# %%
@torch.no_grad()
def answer_log_probs(model, tokenizer, rows, answer):
    """Return (n,): log-probability in nats of row[answer] and its end token."""
    model.eval()
    sums = []
    for row in rows:
        user = [{"role": "user", "content": row["prompt"]}]
        prompt = tokenizer.apply_chat_template(user, tokenize=False, add_generation_prompt=True)
        given = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        text = row[answer] + tokenizer.eos_token
        ids = torch.tensor([given + tokenizer(text, add_special_tokens=False)["input_ids"]])
        logits = model(input_ids=ids.to(model.device)).logits[0, len(given) - 1 : -1].float().cpu()
        targets = ids[0, len(given) :]
        sums.append(-torch.nn.functional.cross_entropy(logits, targets, reduction="sum"))
    return torch.stack(sums)


def implicit_rewards(model, tokenizer, rows, beta):
    """Return (chosen, rejected), each (n,): β · (log π - log π_ref).

    model: a PeftModel; without its adapter it is the reference.
    """
    rewards = []
    for answer in ("chosen", "rejected"):
        policy = answer_log_probs(model, tokenizer, rows, answer)
        with model.disable_adapter():
            reference = answer_log_probs(model, tokenizer, rows, answer)
        rewards.append(beta * (policy - reference))
    return tuple(rewards)


def compare(first, second):
    """Return {"agreement", "correlation"} of two models' rewards of the same pairs.

    first, second: (chosen, rejected), each (n,). agreement: the share of pairs that both put in
    the same order. correlation: Pearson's, of the differences chosen - rejected.
    """
    one, other = (chosen - rejected for chosen, rejected in (first, second))
    return {
        "agreement": (one.sign() == other.sign()).float().mean().item(),
        "correlation": torch.corrcoef(torch.stack([one, other]))[0, 1].item(),
    }


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
