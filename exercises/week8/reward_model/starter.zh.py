# %% [markdown]
# # 奖励模型
#
# RLHF 的第二步（Ouyang 等，2022，“InstructGPT”，arXiv 2203.02155，3.5 节）：
# 给每个回答一个数，只从偏好对中学来。P(chosen ≻ rejected) = σ(r_chosen - r_rejected)，
# 即 Bradley-Terry 模型。然后是 DPO 眼中的同一批偏好对：它的隐式奖励。
#
# 补全每处空缺（`raise NotImplementedError`），名称和签名保持不变。
# 用 `tutor run week8/reward_model` 运行，用 `tutor check week8/reward_model` 批改。

# %%
import torch
from safetensors.torch import save_file

from exercises import lab
from exercises.week8 import preference_data

SEED = 0
PAIRS = 120  # 取自训练用的 240 对
STEPS = 200
BATCH = 8
DPO_ADAPTER = ""  # 你的 week8/dpo 运行后留下的 "adapter" 目录，用来对照

# %% [markdown]
# ## 1. Bradley-Terry 损失
#
# 差值为 -120 时，它在 float32 下是多少？两个奖励相等时，斜率又是多少？


# %%
def bradley_terry_loss(chosen, rejected, margin=None):
    """返回各对的 -ln σ(chosen - rejected - margin) 的平均值，一个标量。

    chosen、rejected：(n,)，奖励。margin：(n,)，chosen 的回答好多少；或为 None。
    """
    raise NotImplementedError("bradley_terry_loss：差值、margin、数值稳定的 -ln σ、平均")


# %% [markdown]
# ## 2. 打分头读什么
#
# 在因果模型里，只有最后一个 token 看到了整个回答。找它之前，
# 先把一个填充过的批次的 id 打印出来。


# %%
def last_states(trunk, input_ids, attention_mask):
    """返回 (n, H)：每一行最后一个非填充 token 在最后一层的状态。

    trunk：去掉输出层的模型（因果语言模型的 `model.model`）。填充可能在任意一侧，
    它的 id 也可能是文本里的 token。
    """
    raise NotImplementedError("last_states：主干的状态，每行取一个位置")


@torch.no_grad()
def answer_states(model, tokenizer, rows, answer):
    """返回 (n, H)，float32：row["prompt"]（对话格式）、row[answer] 和结束 token 之后的状态。
    没有梯度：主干是冻结的。"""
    raise NotImplementedError("answer_states：文本、批次、状态")


# %% [markdown]
# ## 3. 打分头
#
# 一个向量，在只算一次的状态上训练。在循环中调用 lab.report(step, STEPS, loss)，
# 运行时就会显示曲线。


# %%
def train_head(chosen, rejected):
    """返回在偏好对的状态（两者各为 (n, H)）上训练好的 nn.Linear(H, 1)。

    同样的状态得到同样的打分头。
    """
    raise NotImplementedError("train_head：打分头、优化器、各步训练")


@torch.no_grad()
def center(head, chosen, rejected):
    """设置打分头的偏置，使它对所有这些回答的平均奖励为 0；返回打分头。

    损失看不到偏置：它在每个差值里都会抵消。
    """
    raise NotImplementedError("center：一个平均值，一个偏置")


# %% [markdown]
# ## 4. n 选一
#
# 不做强化学习，奖励模型也能派上用场。


# %%
@torch.no_grad()
def rerank(model, head, tokenizer, prompt, answers):
    """对同一条提示的各个回答返回 [(回答, 奖励), …]，奖励从高到低。"""
    raise NotImplementedError("rerank：各行、奖励、排序")


# %% [markdown]
# ## 5. DPO 的隐式奖励
#
# 给定提示时，回答的 β · (log π - log π_ref)：只差一个仅由提示决定的数
# （DPO 论文，公式 5）。所以比较两个模型，看的是它们在同一对之内的说法。
# 你在 week8/dpo 写的 answer_log_probs 已经能完成大部分。


# %%
def implicit_rewards(model, tokenizer, rows, beta):
    """返回 (chosen, rejected)，各为 (n,)：β · (log π - log π_ref)。

    model：PeftModel；去掉适配器就是参考模型。
    """
    raise NotImplementedError("implicit_rewards：策略与参考，chosen 与 rejected")


def compare(first, second):
    """由两个模型对同一批偏好对的奖励，返回 {"agreement", "correlation"}。

    first、second：(chosen, rejected)，各为 (n,)。agreement：两者排出同样顺序的对所占的比例。
    correlation：差值 chosen - rejected 的 Pearson 相关系数。
    """
    raise NotImplementedError("compare：各对之内的差值，再算两个数")


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
        few = slice(36)  # week8/dpo 测量的那些
        implicit = implicit_rewards(policy, tokenizer, held_out[few], beta=0.1)
        print(compare((chosen[few], rejected[few]), implicit))


if __name__ == "__main__":
    main()
