# %% [markdown]
# # 综合项目：你自己的导师
#
# 一个脚本，从数据到服务：微调 SmolLM2-135M，让它依据带编号的段落作答；合并并导出，量化，
# 让它带引用地回答关于课文的问题，测量训练带来了什么，对外服务，最后写模型卡。
# 每一部分都不大，以前也都练过；新的要求是，它们必须彼此衔接。

# %%
import json
import os
import re
import sys
import traceback
from dataclasses import replace
from pathlib import Path

from exercises import lab
from exercises.week6 import engine
from exercises.week7 import corpus

SEED = 0
NAME = "my-tutor"  # 模型在服务中的名字
TYPE = "Q8_0"  # 量化文件的类型
TEXT = lab.lessons("en")[:5000]  # 用它测量困惑度
UNITS = ("week5", "week7", "deployment")  # 作答所依据的课文
NOT_COVERED = "The lessons do not say."
CUTOFF = 0.3  # 余弦低于此值的段落，不算与问题相近

# 问题集，以及每个问题的答案所在：(document, heading)；没有课文能回答的为 None。
GOLD = {q.text: (q.document, q.heading) for q in corpus.questions("en")
        if q.document in ("week5.en", "deployment.en")}  # fmt: skip
GOLD |= dict.fromkeys(corpus.uncovered()[:4])


# %% [markdown]
# ## 已给出：以前做过的部分
#
# 转成 token 的样本（week5/lora）、回答提示的模型、切成小块的课文（week7/chunking）。
# `lab.base_file()` 是原始底座，GGUF 格式。


# %%
def encode(tokenizer, example):
    """返回 {"input_ids", "labels"}：对话格式；提示部分的标签为 -100。"""
    user = {"role": "user", "content": example["prompt"]}
    prompt = tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True)
    given = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    said = tokenizer(example["response"] + tokenizer.eos_token, add_special_tokens=False)
    learned = said["input_ids"]
    return {"input_ids": given + learned, "labels": [-100] * len(given) + learned}


def load_model(file):
    """返回 generate(prompt) -> text：贪心，最多 64 个 token，每次调用结果相同。"""
    model = engine.load(file, repeatable=True)

    def generate(prompt):
        return "".join(model.stream([{"role": "user", "content": prompt}], 0.0, 64))

    return generate


def library():
    """返回 UNITS 的课文，切成最多 400 个字符左右的小块：corpus.Section 对象，
    有 document、title、heading 和 text。"""
    pieces = []
    for document in corpus.documents("en"):
        if document.unit not in UNITS:
            continue
        for section in corpus.sections(document):
            text = ""
            for paragraph in re.split(r"\n\s*\n", section.text):
                if text and len(text) + len(paragraph) > 400:
                    pieces.append(replace(section, text=text))
                    text = ""
                text = f"{text}\n\n{paragraph}".strip()
            pieces.append(replace(section, text=text))
    return pieces


# %% [markdown]
# ## 1. 要学什么
#
# 训练、作答、测量用同一种提示。训练数据取自 lab.instructions()：每条 response 混在
# 带编号的段落之中，答案要说出它，并标明它的编号。


# %%
def build_prompt(question, texts):
    """返回用户消息：各段落从 1 起编号，形如 "[1] ..."，其后是问题。"""
    raise NotImplementedError("build_prompt：带编号的段落和问题")


def training_data():
    """由 lab.instructions() 的训练部分返回至少 64 个样本 {"prompt", "response"}：
    prompt 是 build_prompt 对两个或更多段落的结果，其中一段是正确的回答，位置不固定；
    response 是它的文字加 "[n]"。每次调用结果相同。
    """
    raise NotImplementedError("training_data：训练样本")


# %% [markdown]
# ## 2. 微调


# %%
def build_model(base):
    """返回装上全新 LoRA 适配器的底座，每次调用结果相同；其余参数都不训练。"""
    raise NotImplementedError("build_model：底座加适配器")


def finetune(folder):
    """训练；写出 training.json（{"examples", "steps", "data_sha256"}：样本数、步数、
    样本经 json.dumps 后的 sha256）和 lineage.json（`tutor model export` 会把它抄进自己的模型卡）；
    最后才把适配器存到 folder / "adapter"：有它就表示训练已完成。"""
    raise NotImplementedError("finetune：训练")


# %% [markdown]
# ## 3. 导出
#
# 用 gguf 库手写，或者用工坊自己的函数（tutor/workshop）。


# %%
def export(base, adapter, target):
    """把适配器（peft 的目录）合并进底座（GGUF 文件），写成 F16 GGUF：
    W + alpha / r × B A，从反量化的权重出发，用 float32 计算；分词器和模板与底座相同。"""
    raise NotImplementedError("export：适配器合并进底座，写成 F16")


# %% [markdown]
# ## 4. 量化


# %%
def quantize(source, target, text):
    """由 source（F16）生成 TYPE 类型的 target；返回 {"type", "perplexity",
    "reference_perplexity", "rise"}：两个文件在 text 上的困惑度，升幅用比例表示。

    取 512 个 token 的完整块，每块都从空缓存开始；只计每块的后一半。
    """
    raise NotImplementedError("quantize：量化文件及其困惑度")


# %% [markdown]
# ## 5. 依据课文作答


# %%
def search(question, passages, k=2):
    """返回与问题最相近的至多 k 个段落，最好的在前；余弦低于 CUTOFF 的不要。
    title 和 heading 与正文一起嵌入（corpus.embed）。"""
    raise NotImplementedError("search：与问题相近的段落")


def answer(question, passages, generate):
    """返回 {"question", "text", "citations"}。

    一条引用是 {"number", "document", "heading", "quote"}：标记中的编号，提示里该编号的段落
    出自何处，以及该段落中一字不差的原文。不对应任何段落的标记，从 text 中删去。
    没有找到相近的段落（此时不问模型），或者一个标记也不剩，text 就是 NOT_COVERED，
    没有引用。
    """
    raise NotImplementedError("answer：引用经得起核对的回答")


# %% [markdown]
# ## 6. 评测


# %%
def score(answers, gold):
    """返回各项比例，0 到 1。answers：`answer` 返回的那种回答。gold：形式同 GOLD；
    其中没有收到回答的问题，也算问过。

    right：课文有答案的问题中，引用指向正确出处的比例。
    told_uncovered：其余问题中，回答为 NOT_COVERED 的比例。
    wrongly_refused：课文有答案的问题中，回答为 NOT_COVERED 的比例。
    citation_precision：全部引用中，指向所属问题正确出处的比例；没有任何引用时为 0。
    """
    raise NotImplementedError("score：四个数字")


# %% [markdown]
# ## 7. 服务


# %%
def serve(file, port, key):
    """用 OpenAI 兼容 API 以 NAME 之名提供这个 GGUF 文件，直到进程被结束：只在 127.0.0.1 上，
    只服务发来 `Authorization: Bearer <key>` 的请求，要求流式就流式返回。"""
    raise NotImplementedError("serve：服务")


# %% [markdown]
# ## 8. 模型卡
#
# 模型卡是一份承诺：里面每个数字都从产物中读取，没有一个是手敲的。


# %%
def model_card(folder):
    """根据目录里的内容（见 main）返回模型卡，Markdown 格式。

    Front matter：license、base_model。各节：Data、Training（秩、alpha、步数）、Quantization
    （类型、两个困惑度、升幅）、Evaluation（每个数字一行：训练前、训练后）、Limits、
    Files（每个 GGUF 及其 sha256）。
    """
    raise NotImplementedError("model_card：模型卡")


# %% [markdown]
# ## 整个流程
#
# 已给出。每项产物只做一次：中断过的运行，会从第一个缺少的产物接着做。
# 某一部分失败时，之前做好的都在，照样评分。


# %%
def read_json(path):
    return json.loads(path.read_text("utf-8"))


def write_json(path, value):
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(value, indent=2, ensure_ascii=False), "utf-8")
    part.replace(path)


def ask_all(file):
    """返回文件中的模型对 GOLD 全部问题的回答。"""
    generate, passages = load_model(file), library()
    return [answer(question, passages, generate) for question in GOLD]


def export_whole(folder, target):
    part = target.with_name(f"{target.name}.part")
    export(lab.base_file(), folder / "adapter", part)
    part.replace(target)


def evaluation(folder):
    return {name: score(read_json(folder / f"{name}.json"), GOLD) for name in ("before", "after")}


def main(folder):
    full, small = folder / "model-F16.gguf", folder / f"model-{TYPE}.gguf"
    makers = {
        "adapter": lambda path: finetune(folder),
        full.name: lambda path: export_whole(folder, path),
        "quantization.json": lambda path: write_json(path, quantize(full, small, TEXT)),
        "before.json": lambda path: write_json(path, ask_all(lab.base_file())),
        "after.json": lambda path: write_json(path, ask_all(small)),
        "evaluation.json": lambda path: write_json(path, evaluation(folder)),
        "MODEL_CARD.md": lambda path: path.write_text(model_card(folder), "utf-8"),
    }
    for name, make in makers.items():
        if (folder / name).exists():
            continue
        print(f"making {name}")
        try:
            make(folder / name)
        except NotImplementedError as gap:
            print(f"{name} has to wait: {gap}")
            return
        except Exception:  # noqa: BLE001 - whatever it is, the parts before it are graded
            traceback.print_exc()
            return
    print((folder / "MODEL_CARD.md").read_text("utf-8"))


# %%
if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:  # MY_KEY=... python capstone.py serve model-Q8_0.gguf 8080
        serve(Path(sys.argv[2]), int(sys.argv[3]), os.environ["MY_KEY"])
    else:
        main(lab.run_dir())
