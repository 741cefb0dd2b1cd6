def judge(file):
    pass
